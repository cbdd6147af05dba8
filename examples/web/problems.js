// Shows errors: those that the user can correct beside their field, all others in one place.

import { Refused } from "./api.js";
import { announce, countdown, h } from "./dom.js";
import { SessionEnded } from "./session.js";
import { RequestFailed } from "./transport.js";

/** Where to go when an email address already has an account, or has none. */
const ALTERNATIVES = {
  EMAIL_TAKEN: ["An account with this email address already exists.", "Sign in", "#/login"],
  ACCOUNT_NOT_FOUND: ["There is no account with this email address.", "Sign up", "#/signup"],
};

const INVALID_LINK = "This link was already used, was replaced by a newer one, or has expired.";

/** The text of an error, for some with a link to what the user can do instead. */
export function describe({ code, message, attemptsRemaining }, email = "") {
  if (code === "INVALID_CODE") {
    const left = attemptsRemaining === 1 ? "1 attempt" : `${attemptsRemaining} attempts`;
    return [`This code is not correct: ${attemptsRemaining > 0 ? `${left} left` : "request a new one"}.`];
  }
  if (code === "INVALID_TOKEN") {
    return [INVALID_LINK];
  }
  if (!(code in ALTERNATIVES)) {
    return [message];
  }
  const [text, label, address] = ALTERNATIVES[code];
  return [text, " ", h("a", { href: `${address}?email=${encodeURIComponent(email)}` }, label)];
}

/** Shows errors that belong to no field. */
export class AlertBox {
  constructor() {
    this.element = h("div", { class: "alert", hidden: true });
  }

  clear() {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  /** Shows an error that a request threw. */
  show(error) {
    if (error instanceof SessionEnded) {
      return; // The sign-in page is about to be shown.
    }
    if (error instanceof Refused) {
      this.#fill(error.errors.map(paragraph));
    } else if (error instanceof RequestFailed && error.code === "UNREACHABLE") {
      this.#fill([h("p", {}, "The server is not responding. Check your connection and try again.")]);
    } else {
      console.error(error);
      const id = error.requestId;
      this.#fill([
        h("p", {}, "Something went wrong on our side. Try again later."),
        id ? h("p", { class: "faint" }, "If you contact support, mention this request ID: ", h("code", {}, id)) : "",
      ]);
    }
  }

  #fill(content) {
    this.element.replaceChildren(...content);
    this.element.hidden = false;
    announce(this.element.textContent, "assertive");
  }
}

function paragraph(error) {
  if (error.code !== "RATE_LIMITED") {
    return h("p", {}, ...describe(error));
  }
  const left = h("span", { role: "timer" });
  const line = h("p", {}, "Too many requests. Try again in ", left, ".");
  countdown(left, error.retryAfterSeconds, () => {
    line.textContent = "You can try again now.";
  });
  return line;
}
