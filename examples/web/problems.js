// What went wrong, said to people: what they can mend at its field, all else in one place.

import { Refused } from "./api.js";
import { announce, countdown, h } from "./dom.js";
import { SessionEnded } from "./session.js";
import { RequestFailed } from "./transport.js";

/** Where to go when an address has an account already, or has none. */
const WAYS_OUT = {
  EMAIL_TAKEN: ["Log in", "#/login"],
  ACCOUNT_NOT_FOUND: ["Sign up", "#/signup"],
};

/** What an error says: text, and for some a link that leads on. */
export function describe(error, email) {
  if (error.code === "INVALID_CODE") {
    const left = error.attemptsRemaining;
    const tries = left === 1 ? "1 attempt left" : `${left} attempts left`;
    return [left > 0 ? `This code is not right: ${tries}.` : "This code is not right. Ask for a new one."];
  }
  const way = WAYS_OUT[error.code];
  if (!way) {
    return [error.message];
  }
  const [text, address] = way;
  const href = email ? `${address}?email=${encodeURIComponent(email)}` : address;
  return [error.message, " ", h("a", { href }, text)];
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
