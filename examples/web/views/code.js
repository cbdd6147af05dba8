import { Refused, serverInfo } from "../api.js";
import { answerCode, askForCode, challenge } from "../challenge.js";
import { announce, countdown, h, mailboxHint, moment } from "../dom.js";
import { action, field, form } from "../form.js";
import { AlertBox } from "../problems.js";
import { isSignedIn, signIn } from "../session.js";

/** How long to wait for the mail before offering another code. The server has limits of its own. */
const RESEND_DELAY_SECONDS = 30;

const DONE = {
  signup: "Your account is ready.",
  login: "You are signed in.",
  verify: "Your email address is verified.",
};

/** The code page, for each purpose of a code. */
export async function code({ go, draw }) {
  const waiting = challenge();
  if (waiting === null) {
    const back = h("a", { href: "#/login" }, "Sign in");
    return { title: "No code requested", content: [h("p", {}, "Request a code first. ", back)] };
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
      h("p", {}, "We sent it to ", email, ". It is valid until ", moment(waiting.expiresAt), "."),
      mailboxHint("your code"),
      answer,
      ...(canBeSentAgain(waiting) ? resending(waiting, draw) : []),
      h("p", {}, "Wrong email address? ", start),
    ].filter(Boolean),
  };
}

/** A single field, so that a code can be pasted or filled in by the phone; spaces are ignored. */
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

// A code that verifies the email address of an account is only sent again to its signed-in user.
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
      waitFor("Too many codes were requested. You can request a new one in ", limit.retryAfterSeconds);
      announce(wait.textContent, "assertive");
      return;
    }
    await draw();
    announce("A new code is on its way. The previous one is no longer valid.");
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
  const left = RESEND_DELAY_SECONDS - Math.floor((Date.now() - sentAt) / 1000);
  if (left > 0) {
    waitFor("No email? You can request a new code in ", left);
  }
  return [alert.element, wait, again];
}
