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

/** Requests a link to choose a new password. */
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
  place.append(h("p", {}, "We will email you a link to choose a new one."), ask);
  return {
    title: "Forgot your password?",
    content: [place, h("p", {}, h("a", { href: "#/login/password" }, "Back to sign-in"))],
  };
}

/** The page behind the link in the mail. */
export async function chooseNewPassword({ search, go }) {
  const choose = form({
    fields: [await newPasswordField("newPassword", "New password")],
    submit: "Save password",
    onSubmit: async ({ newPassword }) => {
      await mutate(RESET, { token: search.get("token") ?? "", newPassword });
      // The reset revoked every session, including this browser's.
      if (isSignedIn()) {
        signOut();
      }
      go("/login/password", "Your password was changed and all sessions were signed out. Sign in with the new password.");
    },
    after: [h("a", { href: "#/forgot-password" }, "Request a new link")],
  });
  return { title: "Choose a new password", content: [choose] };
}
