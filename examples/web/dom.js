// Helpers to build pages without a framework. Text is only ever inserted as text, never as HTML.

/** Creates an element: `on…` attributes are listeners; null, undefined and false are left out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...present(children));
  return element;
}

/** Flattens lists of children and leaves out missing ones. */
export function present(children) {
  return children.flat(2).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Announces text to screen readers; `assertive` interrupts them and is for errors. */
export function announce(text, how = "polite") {
  const region = document.getElementById(how);
  region.textContent = "";
  // Emptied in one frame and filled in the next, so that a repeated text is announced again.
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

/** Writes the remaining time into `element` each second, then calls `done`. */
export function countdown(element, seconds, done) {
  const end = Date.now() + seconds * 1000;
  element.textContent = duration(seconds);
  const timer = setInterval(() => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0 || !element.isConnected) {
      clearInterval(timer);
      done();
    } else {
      element.textContent = duration(left);
    }
  }, 1000);
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/** A time in the reader's locale; without the date if it is today. */
export function moment(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const style = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return h("time", { datetime: at }, date.toLocaleString(undefined, style));
}

/** Asks for confirmation before something that cannot be undone. */
export function confirmed(question, yes) {
  const dialog = h(
    "dialog",
    { "aria-label": question },
    h(
      "form",
      { method: "dialog" },
      h("p", {}, question),
      h(
        "div",
        { class: "row" },
        h("button", { value: "yes", class: "danger" }, yes),
        h("button", { value: "no" }, "Cancel"),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** A link to the mailbox page, which shows mails in development. */
export function mailboxHint(what) {
  const address = document.querySelector('meta[name="mailbox"]')?.content;
  if (address === undefined) {
    return null;
  }
  const link = h("a", { href: address, target: "_blank", rel: "noopener" }, "mailbox");
  return h("p", { class: "hint" }, `This is a development server: find ${what} in the `, link, ".");
}
