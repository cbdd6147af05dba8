import { Refused, serverInfo } from "../api.js";
import { answerCode, askForCode, challenge } from "../challenge.js";
import { announce, countdown, h, mailboxHint, moment } from "../dom.js";
import { action, field, form } from "../form.js";
import { AlertBox } from "../problems.js";
import { isSignedIn, signIn } from "../session.js";

/** Mail takes a moment: so long there is no asking for another code. The server counts, too. */
const PATIENCE_SECONDS = 30;

const DONE = {
  signup: "Your account is ready.",
  login: "You are logged in.",
  verify: "Your address is proved.",
};

/** The code page, for whatever a code is to prove. */
export async function code({ go, draw }) {
  const waiting = challenge();
  if (waiting === null) {
    const back = h("a", { href: "#/login" }, "Log in");
    return { title: "No code is on its way", content: [h("p", {}, "Ask for one first. ", back)] };
  }
  const { codeLength, codeType } = await serverInfo();
  const email = h("strong", {}, waiting.email);
  const start = h("a", { href: waiting.purpose === "signup" ? "#/signup" : "#/login" }, "Start again");
  const answer = form({
    fields: [codeField(codeLength, codeType)],
    submit: "Continue",
    onSubmit: async (values) => {
      const { session } = await answerCode(waiting, values.code);
      if (session) {
        signIn(session);
      }
      const next = isSignedIn() ? "/dashboard" : `/login/password?email=${encodeURIComponent(waiting.email)}`;
      go(next, DONE[waiting.purpose]);
    },
  });
  return {
    title: "Enter the code",
    content: [
      h("p", {}, "It was mailed to ", email, " and is good until ", moment(waiting.expiresAt), "."),
      mailboxHint("your code"),
      answer,
      ...(canBeSentAgain(waiting) ? resending(waiting, draw) : []),
      h("p", {}, "Not your address? ", start),
    ].filter(Boolean),
  };
}

/** One field, so that a code can be pasted or filled in by the phone; spaces in it do not matter. */
function codeField(length, type) {
  const isNumeric = type === "NUMERIC";
  return field({
    name: "code",
    label: "Code",
    hint: `${length} ${isNumeric ? "digits" : "letters and digits"}`,
    class: "code",
    autocomplete: "one-time-code",
    inputmode: isNumeric ? "numeric" : "text",
    autocapitalize: isNumeric ? null : "characters",
  });
}

// A code that proves the address of an account is sent again only to whoever is signed in.
function canBeSentAgain({ purpose }) {
  return purpose !== "verify" || isSignedIn();
}

function resending({ purpose, input, sentAt }, draw) {
  const alert = new AlertBox();
  const wait = h("p", { class: "faint", hidden: true });
  const again = action("Send a new code", alert, async () => {
    try {
      await askForCode(purpose, input ?? undefined);
    } catch (error) {
      const limit = error instanceof Refused && error.find("RATE_LIMITED");
      if (!limit) {
        throw error;
      }
      waitFor("Too many codes were asked for. You can have a new one in ", limit.retryAfterSeconds);
      announce(wait.textContent, "assertive");
      return;
    }
    await draw();
    announce("A new code is on its way. The old one is worth nothing now.");
  });
  const waitFor = (text, seconds) => {
    const left = h("span", { role: "timer" });
    wait.replaceChildren(text, left, ".");
    wait.hidden = false;
    again.hidden = true;
    countdown(left, seconds, () => {
      wait.hidden = true;
      again.hidden = false;
    });
  };
  const left = PATIENCE_SECONDS - Math.floor((Date.now() - sentAt) / 1000);
  if (left > 0) {
    waitFor("No mail? You can have a new code in ", left);
  }
  return [alert.element, wait, again];
}
