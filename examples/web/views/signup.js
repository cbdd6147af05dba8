import { mutate, serverInfo } from "../api.js";
import { askForCode, keepChallenge } from "../challenge.js";
import { h } from "../dom.js";
import { field, form } from "../form.js";

const REGISTER = `mutation Register($input: RegisterInput!) {
  register(input: $input) { challenge { email expiresAt } errors { ...Problem } }
}`;

/** The first field of every form for people who are not signed in. */
export function emailField(value, attributes = {}) {
  const own = { name: "email", label: "Email", type: "email", autocomplete: "email", value };
  return field({ ...own, ...attributes });
}

/** A field for a new password. */
export async function newPasswordField(name, label) {
  const { passwordMinLength } = await serverInfo();
  const hint = `At least ${passwordMinLength} characters.`;
  return field({ name, label, type: "password", autocomplete: "new-password", hint });
}

/** Sign-up: email address and name, then a code; or with a password. */
export async function signup({ argument, search, go }) {
  return argument === "password" ? withPassword(go) : withCode(search.get("email"), go);
}

function withCode(email, go) {
  return {
    title: "Sign up",
    content: [
      signupForm({ email: emailField(email) }, go),
      h("p", {}, h("a", { href: "#/signup/password" }, "Use a password instead")),
      h("p", {}, "Already have an account? ", h("a", { href: "#/login" }, "Sign in")),
    ],
  };
}

/** Email address and name; with an invitation's token, signing up also joins its team. */
export function signupForm({ email, invitationToken }, go) {
  const name = field({ name: "name", label: "Name", autocomplete: "name" });
  return form({
    fields: [email, name],
    submit: "Sign up",
    onSubmit: async (values) => {
      await askForCode("signup", { ...values, invitationToken });
      go("/code");
    },
  });
}

async function withPassword(go) {
  const fields = [
    emailField(null),
    field({ name: "firstName", label: "First name", autocomplete: "given-name" }),
    field({ name: "lastName", label: "Last name", autocomplete: "family-name" }),
    await newPasswordField("password", "Password"),
  ];
  const register = form({
    fields,
    submit: "Sign up",
    onSubmit: async (values) => {
      const { challenge } = await mutate(REGISTER, values);
      // The password is not kept here, so requesting a new code requires signing in.
      keepChallenge("verify", null, challenge);
      go("/code");
    },
  });
  const back = h("a", { href: "#/signup" }, "Sign up without a password");
  return { title: "Sign up with a password", content: [register, h("p", {}, back)] };
}
