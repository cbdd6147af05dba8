import { mutate } from "../api.js";
import { askForCode } from "../challenge.js";
import { h } from "../dom.js";
import { field, form } from "../form.js";
import { signIn } from "../session.js";
import { emailField } from "./signup.js";

const LOGIN = `mutation Login($input: LoginInput!) {
  login(input: $input) { session { accessToken refreshToken } errors { ...Problem } }
}`;

/** Sign-in: email address and then a code, or with a password. */
export function login({ argument, search, go }) {
  const email = emailField(search.get("email"));
  return argument === "password" ? withPassword(email, go) : withCode(email, go);
}

function withCode(email, go) {
  const ask = form({
    fields: [email],
    submit: "Send code",
    onSubmit: async (values) => {
      await askForCode("login", values);
      go("/code");
    },
  });
  return {
    title: "Sign in",
    content: [
      ask,
      h("p", {}, h("a", { href: "#/login/password" }, "Use a password instead")),
      h("p", {}, "No account yet? ", h("a", { href: "#/signup" }, "Sign up")),
    ],
  };
}

function withPassword(email, go) {
  const password = field({
    name: "password",
    label: "Password",
    type: "password",
    autocomplete: "current-password",
  });
  const enter = form({
    fields: [email, password],
    submit: "Sign in",
    onSubmit: async (values) => {
      const { session } = await mutate(LOGIN, values);
      signIn(session);
      go("/dashboard", "You are signed in.");
    },
  });
  return {
    title: "Sign in with a password",
    content: [
      enter,
      h("p", {}, h("a", { href: "#/forgot-password" }, "Forgot your password?")),
      h("p", {}, h("a", { href: "#/login" }, "Use an emailed code instead")),
    ],
  };
}
