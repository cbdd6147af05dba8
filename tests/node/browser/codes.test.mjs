// Signing up and logging in by code, and every way it goes wrong.
import assert from "node:assert/strict";
import { test } from "node:test";

import { audit, heading, says, someone, useSite } from "./site.mjs";

const site = useSite({ MAX_CODE_REQUESTS_PER_HOUR: "5" });

const code = (page) => page.getByLabel("Code", { exact: true });

/** A code that is not `right`. */
const wrong = (right) => (right === "000000" ? "000001" : "000000");

async function askForLoginCode(page, email) {
  await page.goto(`${site.server.url}/demo#/login`);
  await page.getByLabel("Email").fill(email);
  await page.getByRole("button", { name: "Send code" }).click();
  await heading(page, "Enter the code");
  return site.server.code(email, "login_code");
}

/** The login page in front of somebody who has an account. */
async function loggedOut(t, email) {
  await site.makeAccount(email);
  return site.visit(t, { path: "/demo#/login" });
}

test("a new user signs up with an email address, a name and a code", async (t) => {
  const email = someone();
  const page = await site.visit(t, { path: "/" });
  await page.getByRole("link", { name: /demo/ }).click();
  await heading(page, "Sign in");
  await audit(page, "login");
  await page.getByRole("navigation").getByRole("link", { name: "Sign up" }).click();
  await heading(page, "Sign up");
  await audit(page, "signup");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Name").fill("Ada Lovelace");
  await page.getByRole("button", { name: "Sign up" }).click();
  await heading(page, "Enter the code");
  await says(page, email);
  await audit(page, "code");
  assert.equal(await code(page).getAttribute("autocomplete"), "one-time-code");
  assert.equal(await code(page).getAttribute("inputmode"), "numeric");
  const [mailbox] = await Promise.all([
    page.context().waitForEvent("page"),
    page.getByRole("link", { name: "mailbox" }).click(),
  ]);
  const mailed = await site.server.code(email, "signup_code");
  await mailbox.getByRole("status").getByText("newest first").waitFor();
  await mailbox.locator("#code", { hasText: mailed }).waitFor();

  // As it is copied from a mail, and across a reload while looking for it.
  await page.reload();
  await heading(page, "Enter the code");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.bringToFront();
  await page.evaluate((text) => navigator.clipboard.writeText(text), ` ${mailed.slice(0, 3)} ${mailed.slice(3)} `);
  await code(page).focus();
  await page.keyboard.press("ControlOrMeta+V");
  await page.keyboard.press("Enter");
  await heading(page, "Dashboard");
  await says(page, "Your account is ready.");
  await page.locator("#polite", { hasText: "Your account is ready." }).waitFor({ state: "attached" });
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Ada Lovelace");
});

test("an existing user signs in with an email address and a code", async (t) => {
  const email = someone();
  const page = await site.signedUp(t, email);
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  await heading(page, "Sign in");
  await says(page, "You are signed out.");
  await site.logIn(page, email);
  await says(page, "You are signed in.");
  await says(page, email);
});

test("a wrong code shows the remaining attempts, and a new code can be sent", async (t) => {
  const email = someone();
  const page = await loggedOut(t, email);
  await page.clock.install();
  const mailed = await askForLoginCode(page, email);
  for (const left of ["4 attempts left", "3 attempts left", "2 attempts left", "1 attempt left"]) {
    await code(page).fill(wrong(mailed));
    await page.getByRole("button", { name: "Continue" }).click();
    await says(page, `This code is not correct: ${left}.`);
  }
  // The error belongs to the field, which has the focus, and was told.
  const field = page.getByRole("textbox", { name: "Code", description: /1 attempt left/ });
  assert.equal(await field.getAttribute("aria-invalid"), "true");
  assert(await field.evaluate((element) => element === document.activeElement));
  await page.locator("#assertive", { hasText: "1 attempt left" }).waitFor({ state: "attached" });
  await audit(page, "code-wrong");

  await code(page).fill(wrong(mailed));
  await page.getByRole("button", { name: "Continue" }).click();
  await says(page, "This code is not correct: request a new one.");
  await code(page).fill(mailed);
  await page.getByRole("button", { name: "Continue" }).click();
  await says(page, "There were too many wrong codes.");

  const again = page.getByRole("button", { name: "Send a new code" });
  assert.equal(await again.isVisible(), false);
  await says(page, /You can request a new code in \d+ s/);
  await page.clock.fastForward(30_000);
  await again.click();
  await page.locator("#polite", { hasText: "A new code is on its way." }).waitFor({ state: "attached" });
  const next = await site.server.code(email, "login_code");
  await code(page).fill(mailed === next ? wrong(next) : mailed);
  await page.getByRole("button", { name: "Continue" }).click();
  await says(page, "4 attempts left");
  await code(page).fill(next);
  await page.getByRole("button", { name: "Continue" }).click();
  await heading(page, "Dashboard");
});

test("an expired code is reported as expired", async (t) => {
  const email = someone();
  const page = await loggedOut(t, email);
  const mailed = await askForLoginCode(page, email);
  site.sql(`UPDATE verification_codes SET expires_at = created_at WHERE email = '${email}'`);
  await code(page).fill(mailed);
  await page.getByRole("button", { name: "Continue" }).click();
  await says(page, "This code has expired. Request a new one.");
});

test("an address with an account leads to sign-in, one without to sign-up", async (t) => {
  const email = someone();
  const page = await loggedOut(t, email);
  await page.goto(`${site.server.url}/demo#/signup`);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Name").fill("Ada");
  await page.getByRole("button", { name: "Sign up" }).click();
  await says(page, "An account with this email address already exists.");
  await audit(page, "signup-taken");
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).first().click();
  await heading(page, "Sign in");
  assert.equal(await page.getByLabel("Email").inputValue(), email);

  const nobody = someone("nobody");
  await page.getByLabel("Email").fill(nobody);
  await page.getByRole("button", { name: "Send code" }).click();
  await says(page, "There is no account with this email address.");
  await page.getByRole("main").getByRole("link", { name: "Sign up" }).first().click();
  await heading(page, "Sign up");
  assert.equal(await page.getByLabel("Email").inputValue(), nobody);
});

test("all errors of a form are shown at once, each at its field", async (t) => {
  const page = await site.visit(t, { path: "/demo#/signup" });
  await page.getByLabel("Email").fill("ada@");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("textbox", { name: "Email", description: "This is not a valid email address." }).waitFor();
  await page.getByRole("textbox", { name: "Name", description: /1 to 120 characters/ }).waitFor();
  assert(await page.getByLabel("Email").evaluate((element) => element === document.activeElement));
});

test("a rate limit says when to try again", async (t) => {
  const email = someone();
  const page = await loggedOut(t, email);
  await page.clock.install();
  await page.goto(`${site.server.url}/demo#/login`);
  // Of five an hour, signing up has taken one.
  for (let asked = 1; asked < 5; asked += 1) {
    await askForLoginCode(page, email);
  }
  await page.clock.fastForward(30_000);
  await page.getByRole("button", { name: "Send a new code" }).click();
  await says(page, /Too many codes were requested. You can request a new one in \d+ min \d+ s/);
  await page.clock.fastForward(3_600_000);
  await page.getByRole("button", { name: "Send a new code" }).waitFor();

  await page.goto(`${site.server.url}/demo#/login`);
  await page.getByLabel("Email").fill(email);
  await page.getByRole("button", { name: "Send code" }).click();
  await says(page, /Too many requests. Try again in \d+ min \d+ s/);
  await audit(page, "login-limited");
  await page.clock.fastForward(3_600_000);
  await says(page, "You can try again now.");
});

test("the form reports a lost connection and works once it is back", async (t) => {
  const email = someone();
  const page = await site.visit(t, { path: "/demo#/signup", expected: [/ERR_INTERNET_DISCONNECTED/] });
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Name").fill("Ada");
  await page.context().setOffline(true);
  await page.getByRole("button", { name: "Sign up" }).click();
  await says(page, "The server is not responding.");
  await audit(page, "offline");
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Sign up" }).click();
  await site.enterCode(page, email, "signup_code");
  await heading(page, "Dashboard");

  // A view that cannot be loaded can be tried again.
  await page.context().setOffline(true);
  await page.evaluate(() => location.assign("#/team/none"));
  await heading(page, "Something went wrong");
  await audit(page, "offline-view");
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Try again" }).click();
  await heading(page, "Team not found");
});

test("a server error is not shown, but its request ID is", async (t) => {
  const page = await site.visit(t, { path: "/demo#/signup", expected: [/INTERNAL/] });
  await page.getByLabel("Email").fill(someone());
  await page.getByLabel("Name").fill("Ada");
  site.sql("PRAGMA legacy_alter_table = ON; ALTER TABLE verification_codes RENAME TO away");
  t.after(() => site.sql("PRAGMA legacy_alter_table = ON; ALTER TABLE away RENAME TO verification_codes"));
  const answered = page.waitForResponse(/graphql/);
  await page.getByRole("button", { name: "Sign up" }).click();
  await says(page, "Something went wrong on our side.");
  const id = await (await answered).headerValue("x-request-id");
  await says(page, id);
  await audit(page, "internal");
});
