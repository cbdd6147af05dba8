// Passwords: signing up, logging in, changing one, and choosing a new one by a mailed link.
import assert from "node:assert/strict";
import { test } from "node:test";

import { audit, heading, part, says, someone, useSite } from "./site.mjs";

const site = useSite();

const FIRST = "correct horse battery";
const SECOND = "another fine staple";

async function logIn(page, email, password) {
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("a new user signs up with a password, verifies the email address and signs in", async (t) => {
  const email = someone();
  const page = await site.visit(t, { path: "/demo#/signup" });
  await page.getByRole("link", { name: "Use a password instead" }).click();
  await heading(page, "Sign up with a password");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("First name").fill("Ada");
  await page.getByLabel("Last name").fill("Lovelace");
  await page.getByLabel("Password").fill("short");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("textbox", { name: "Password", description: /A password must have at least 8 characters/ }).waitFor();
  await audit(page, "signup-password");
  await page.getByLabel("Password").fill(FIRST);
  await page.getByRole("button", { name: "Sign up" }).click();
  await site.enterCode(page, email, "verify_email");
  await heading(page, "Sign in with a password");
  await says(page, "Your email address is verified.");
  assert.equal(await page.getByLabel("Email").inputValue(), email);
  await logIn(page, email, SECOND);
  await says(page, "The email address or the password is wrong.");
  await audit(page, "login-password-wrong");
  await logIn(page, email, FIRST);
  await heading(page, "Dashboard");
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Ada Lovelace");
});

test("an email address can be verified later", async (t) => {
  const email = someone();
  const page = await site.visit(t, { path: "/demo#/signup/password" });
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("First name").fill("Ada");
  await page.getByLabel("Last name").fill("Lovelace");
  await page.getByLabel("Password").fill(FIRST);
  await page.getByRole("button", { name: "Sign up" }).click();
  await heading(page, "Enter the code");
  await site.server.code(email, "verify_email");
  await page.goto(`${site.server.url}/demo#/login/password`);
  await logIn(page, email, FIRST);
  await says(page, "Your email address is not verified yet.");
  await audit(page, "dashboard-unproved");
  await page.getByRole("button", { name: "Email me a code" }).click();
  await site.enterCode(page, email, "verify_email");
  await heading(page, "Dashboard");
  await says(page, "Your email address is verified.");
  assert.equal(await page.getByRole("button", { name: "Email me a code" }).count(), 0);
});

test("a user without a password sets one and changes it", async (t) => {
  const page = await site.signedUp(t, someone());
  const card = part(page, "Password");
  await card.getByLabel("New password").fill(FIRST);
  await card.getByRole("button", { name: "Set password" }).click();
  await says(page, "Your password was saved.");
  await card.getByLabel("Current password").fill("not this one");
  await card.getByLabel("New password").fill(SECOND);
  await card.getByRole("button", { name: "Change password" }).click();
  await card.getByRole("textbox", { name: "Current password", description: /is wrong/ }).waitFor();
  await card.getByLabel("Current password").fill(FIRST);
  await card.getByRole("button", { name: "Change password" }).click();
  await says(page, "Your password was saved.");
  await heading(page, "Dashboard");
});

test("a forgotten password is reset by a mailed link, and every session is revoked", async (t) => {
  const email = someone();
  const page = await site.signedUp(t, email, { expected: [/status of 401/] });
  const elsewhere = await site.visit(t, { path: "/demo#/login/password" });
  await elsewhere.getByRole("link", { name: "Forgot your password?" }).click();
  await heading(elsewhere, "Forgot your password?");
  await elsewhere.getByLabel("Email").fill("nobody@example.com");
  await elsewhere.getByRole("button", { name: "Send link" }).click();
  await says(elsewhere, "There is no account with this email address.");
  await audit(elsewhere, "forgot-password");
  await elsewhere.getByLabel("Email").fill(email);
  await elsewhere.getByRole("button", { name: "Send link" }).click();
  await says(elsewhere, "find the link in the mailbox");
  await audit(elsewhere, "forgot-password-sent");

  const link = await site.server.link(email, "password_reset");
  await elsewhere.goto(link);
  await heading(elsewhere, "Choose a new password");
  assert.equal(new URL(elsewhere.url()).pathname, "/demo");
  await elsewhere.getByLabel("New password").fill(email);
  await elsewhere.getByRole("button", { name: "Save password" }).click();
  await elsewhere.getByRole("textbox", { name: "New password", description: /must not be your email address/ }).waitFor();
  await audit(elsewhere, "reset-password");
  await elsewhere.getByLabel("New password").fill(SECOND);
  await elsewhere.getByRole("button", { name: "Save password" }).click();
  await heading(elsewhere, "Sign in with a password");
  await says(elsewhere, "Your password was changed");
  await logIn(elsewhere, email, SECOND);
  await heading(elsewhere, "Dashboard");

  // The other browser finds out at its next request.
  await page.getByRole("button", { name: "Save profile" }).click();
  await heading(page, "Sign in");
  await says(page, "Your session has ended. Sign in again.");

  await page.goto(link);
  await page.getByLabel("New password").fill(FIRST);
  await page.getByRole("button", { name: "Save password" }).click();
  await says(page, "This link was already used");
  await page.getByRole("link", { name: "Request a new link" }).click();
  await heading(page, "Forgot your password?");
});
