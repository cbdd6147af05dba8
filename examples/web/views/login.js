import { mutate } from "../api.js";
import { askForCode } from "../challenge.js";
import { h } from "../dom.js";
import { field, form } from "../form.js";
import { signIn } from "../session.js";
import { emailField } from "./signup.js";

const LOGIN = `mutation Login($input: LoginInput!) {
  login(input: $input) { session { accessToken refreshToken } errors { ...Problem } }
}`;

/** Login: email only, then a code; or with a password. */
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
    title: "Log in",
    content: [
      ask,
      h("p", {}, h("a", { href: "#/login/password" }, "Use a password instead")),
      h("p", {}, "You have no account? ", h("a", { href: "#/signup" }, "Sign up")),
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
    submit: "Log in",
    onSubmit: async (values) => {
      const { session } = await mutate(LOGIN, values);
      signIn(session);
      go("/dashboard", "You are logged in.");
    },
  });
  return {
    title: "Log in with a password",
    content: [
      enter,
      h("p", {}, h("a", { href: "#/forgot-password" }, "Forgot your password?")),
      h("p", {}, h("a", { href: "#/login" }, "Have a code mailed instead")),
    ],
  };
}
