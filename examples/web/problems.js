// What went wrong, said to people: what they can mend at its field, all else in one place.

import { Refused } from "./api.js";
import { announce, countdown, h } from "./dom.js";
import { SessionEnded } from "./session.js";
import { RequestFailed } from "./transport.js";

/** Where an address that has an account already, or has none, leads on. */
const WAYS_OUT = {
  EMAIL_TAKEN: ["There is an account with this address already.", "Log in", "#/login"],
  ACCOUNT_NOT_FOUND: ["There is no account with this address.", "Sign up", "#/signup"],
};

const TOKEN_IS_DEAD = "This link was used already, has been replaced by a newer one, or has expired.";

/** What an error says: text, and for some a link that leads on. */
export function describe({ code, message, attemptsRemaining }, email = "") {
  if (code === "INVALID_CODE") {
    const left = attemptsRemaining === 1 ? "1 attempt" : `${attemptsRemaining} attempts`;
    return [`This code is not right: ${attemptsRemaining > 0 ? `${left} left` : "ask for a new one"}.`];
  }
  if (code === "INVALID_TOKEN") {
    return [TOKEN_IS_DEAD];
  }
  if (!(code in WAYS_OUT)) {
    return [message];
  }
  const [text, way, address] = WAYS_OUT[code];
  return [text, " ", h("a", { href: `${address}?email=${encodeURIComponent(email)}` }, way)];
}

/** A place for whatever has no field to stand at. */
export class AlertBox {
  constructor() {
    this.element = h("div", { class: "alert", hidden: true });
  }

  clear() {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  /** Shows whatever a request threw. */
  show(error) {
    if (error instanceof SessionEnded) {
      return; // The login page is on its way.
    }
    if (error instanceof Refused) {
      this.#fill(error.errors.map(paragraph));
    } else if (error instanceof RequestFailed && error.code === "UNREACHABLE") {
      this.#fill([h("p", {}, "The server does not answer. Check your connection, then try again.")]);
    } else {
      console.error(error);
      const id = error.requestId;
      this.#fill([
        h("p", {}, "Something went wrong on our side. Try again later."),
        id ? h("p", { class: "faint" }, "If you ask for help, name this request: ", h("code", {}, id)) : "",
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
