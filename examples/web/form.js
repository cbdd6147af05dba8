// Forms and buttons that send requests and show the server's errors beside each field.

import { Refused } from "./api.js";
import { announce, h, present } from "./dom.js";
import { AlertBox, describe } from "./problems.js";

/**
 * A form field. `name` is the field of the mutation's input, which errors refer to. Other properties
 * become attributes of the input element.
 */
export function field({ name, label, hint, options, type = "text", ...attributes }) {
  const id = `field-${name}-${++fieldCount}`;
  const about = `${id}-hint`;
  const problem = `${id}-error`;
  const described = hint ? `${about} ${problem}` : problem;
  const own = { id, name, "aria-describedby": described, ...attributes };
  const control = options
    ? h("select", own, ...options.map(([value, text]) => h("option", { value }, text)))
    : h("input", { type, spellcheck: type === "text" ? null : "false", ...own });
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control,
    hint && h("p", { id: about, class: "faint" }, hint),
    h("p", { id: problem, class: "error" }),
  );
  return { name, control, element, error: element.lastElementChild };
}

let fieldCount = 0;

/**
 * A form: `onSubmit` receives the values by name and throws what the API throws. Only the server
 * validates, so the browser's checks are off.
 */
export function form({ fields, submit, onSubmit, after = [] }) {
  const alert = new AlertBox();
  const button = h("button", { class: "primary" }, submit);
  const element = h(
    "form",
    { novalidate: true },
    alert.element,
    ...fields.map((field) => field.element),
    h("div", { class: "row" }, button, ...present(after)),
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = Object.fromEntries(fields.map(({ name, control }) => [name, control.value]));
    clear(alert, fields);
    busy(button, async () => {
      try {
        await onSubmit(values);
      } catch (error) {
        show(error, alert, fields, values.email);
      }
    });
  });
  return element;
}

function clear(alert, fields) {
  alert.clear();
  for (const { control, error } of fields) {
    control.removeAttribute("aria-invalid");
    error.replaceChildren();
  }
}

function show(error, alert, fields, email) {
  if (!(error instanceof Refused)) {
    alert.show(error);
    return;
  }
  const fieldOf = (problem) => fields.find(({ name }) => name === problem.field?.at(-1));
  const rest = error.errors.filter((problem) => fieldOf(problem) === undefined);
  if (rest.length > 0) {
    alert.show(new Refused(rest));
  }
  const blamed = error.errors.filter((problem) => fieldOf(problem) !== undefined);
  for (const problem of blamed) {
    const { control, error: place } = fieldOf(problem);
    control.setAttribute("aria-invalid", "true");
    place.replaceChildren(...describe(problem, email));
  }
  if (blamed.length > 0) {
    const first = fieldOf(blamed[0]);
    first.control.focus();
    first.control.select?.();
    announce(blamed.map((problem) => fieldOf(problem).error.textContent).join(" "), "assertive");
  }
}

/** A button with an action; its errors are shown in `alert`. */
export function action(text, alert, work, attributes = {}) {
  const button = h("button", { type: "button", ...attributes }, text);
  button.addEventListener("click", () => {
    alert.clear();
    busy(button, async () => {
      try {
        await work();
      } catch (error) {
        alert.show(error);
      }
    });
  });
  return button;
}

// Not `disabled`, which would lose the focus. A second click while busy does nothing.
async function busy(button, work) {
  if (button.getAttribute("aria-busy") === "true") {
    return;
  }
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-busy");
  }
}
