// The little that is needed to build pages without a framework. Text of people is only ever put in
// as text, never as HTML.

/** Makes an element: `on…` attributes are listeners; null, undefined and false are left out. */
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

/** Children that are there: lists are flattened, and gaps left out. */
export function present(children) {
  return children.flat(2).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Tells screen readers; `assertive` interrupts what they are saying, and is for errors. */
export function announce(text, how = "polite") {
  const region = document.getElementById(how);
  region.textContent = "";
  // Emptied in one frame and filled in the next, so that the same text is told again.
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

/** Writes how long is left into `element` each second, then calls `over`. */
export function countdown(element, seconds, over) {
  const end = Date.now() + seconds * 1000;
  element.textContent = duration(seconds);
  const timer = setInterval(() => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0 || !element.isConnected) {
      clearInterval(timer);
      over();
    } else {
      element.textContent = duration(left);
    }
  }, 1000);
}

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/** A moment as people of this place write it; of today, only the time. */
export function moment(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  const style = isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" };
  return h("time", { datetime: at }, date.toLocaleString(undefined, style));
}

/** Asks before something that cannot be undone. */
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

/** In development mail is not sent but shown on a page of the server: the way there. */
export function mailboxHint(what) {
  const address = document.querySelector('meta[name="mailbox"]')?.content;
  if (address === undefined) {
    return null;
  }
  const link = h("a", { href: address, target: "_blank", rel: "noopener" }, "mailbox");
  return h("p", { class: "hint" }, `This is a development server: ${what} is in the `, link, ".");
}
