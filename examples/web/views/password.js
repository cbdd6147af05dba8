import { mutate } from "../api.js";
import { h, mailboxHint } from "../dom.js";
import { form } from "../form.js";
import { isSignedIn, signOut } from "../session.js";
import { emailField, newPasswordField } from "./signup.js";

const REQUEST = `mutation RequestReset($input: RequestPasswordResetInput!) {
  requestPasswordReset(input: $input) { message errors { ...Problem } }
}`;
const RESET = `mutation Reset($input: ResetPasswordInput!) {
  resetPassword(input: $input) { message errors { ...Problem } }
}`;

/** Asks for a link to choose a new password. */
export function forgotPassword({ search }) {
  const place = h("div");
  const ask = form({
    fields: [emailField(search.get("email"))],
    submit: "Send link",
    onSubmit: async (values) => {
      const { message } = await mutate(REQUEST, values);
      const said = h("p", { class: "notice", tabindex: "-1" }, message);
      place.replaceChildren(said, mailboxHint("the link") ?? "");
      said.focus();
    },
  });
  place.append(h("p", {}, "We mail you a link to choose a new one."), ask);
  return {
    title: "Forgot your password?",
    content: [place, h("p", {}, h("a", { href: "#/login/password" }, "Back to logging in"))],
  };
}

/** Where the mailed link leads. */
export async function chooseNewPassword({ search, go }) {
  const choose = form({
    fields: [await newPasswordField("newPassword", "New password")],
    submit: "Save password",
    onSubmit: async ({ newPassword }) => {
      await mutate(RESET, { token: search.get("token") ?? "", newPassword });
      // It has ended every session, this browser's too.
      if (isSignedIn()) {
        signOut();
      }
      go("/login/password", "Your password is changed, and every session has ended. Log in with the new one.");
    },
    after: [h("a", { href: "#/forgot-password" }, "Ask for a new link")],
  });
  return { title: "Choose a new password", content: [choose] };
}
