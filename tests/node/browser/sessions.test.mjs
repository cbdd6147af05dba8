// Tokens and sessions: kept, renewed once, and gone everywhere when they are ended.
import assert from "node:assert/strict";
import { test } from "node:test";

import { audit, count, heading, part, says, someone, useSite } from "./site.mjs";

const site = useSite();

/** Makes each token that is used now worthless on its way to the server, as if it had expired. */
async function spoilToken(page) {
  let spoiled = null;
  await page.route("**/graphql", async (route) => {
    const headers = { ...route.request().headers() };
    spoiled ??= headers.authorization;
    if (headers.authorization !== undefined && headers.authorization === spoiled) {
      headers.authorization += "x";
    }
    await route.continue({ headers });
  });
}

const reachDashboard = async (page) => {
  await page.reload();
  await heading(page, "Dashboard");
};

test("a session survives a reload with one refresh", async (t) => {
  const page = await site.signedUp(t, someone());
  assert.equal(await count(page, "refreshSession", () => reachDashboard(page)), 1);
  assert.equal(await count(page, "refreshSession", () => reachDashboard(page)), 1);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert(!kept.includes("eyJ"), "an access token is stored");
});

test("concurrent requests refresh an expired access token once and succeed", async (t) => {
  const page = await site.signedUp(t, someone(), { expected: [/status of 401/] });
  await spoilToken(page);
  const refreshes = await count(page, "refreshSession", async () => {
    // The parts of the dashboard, all at once.
    await page.evaluate(() => dispatchEvent(new HashChangeEvent("hashchange")));
    await page.waitForResponse((response) => response.request().postData().includes("refreshSession"));
    await page.getByRole("button", { name: "Save profile" }).click();
    await says(page, "Your profile was saved.");
  });
  assert.equal(refreshes, 1);
});

test("two tabs share a session and its sign-out", async (t) => {
  const page = await site.signedUp(t, someone(), { expected: [/status of 401/] });
  const other = await page.context().newPage();
  const both = await count(other, "refreshSession", async () => {
    await other.goto(`${site.server.url}/demo`);
    await heading(other, "Dashboard");
  });
  assert.equal(both, 1);
  // The second tab's refresh has given the first one its token as well.
  assert.equal(
    await count(page, "refreshSession", async () => {
      await page.getByRole("button", { name: "Save profile" }).click();
      await says(page, "Your profile was saved.");
    }),
    0,
  );
  // Both at the same moment: each waits for the other.
  await Promise.all([spoilToken(page), spoilToken(other)]);
  await Promise.all(
    [page, other].map(async (tab) => {
      // The notice of the save before is still there, so wait for the profile that is read after this one.
      const read = tab.waitForResponse((response) => response.request().postData()?.includes("query Me"));
      await tab.getByLabel("Company").fill("Analytical Engines");
      await tab.getByRole("button", { name: "Save profile" }).click();
      assert.equal((await (await read).json()).data.me.company, "Analytical Engines");
    }),
  );
  await other.getByRole("button", { name: "Sign out", exact: true }).click();
  await heading(other, "Sign in");
  await heading(page, "Sign in");
});

test("a profile is edited, and errors are shown at their fields", async (t) => {
  const page = await site.signedUp(t, someone());
  const card = part(page, "Profile");
  await card.getByLabel("Name").fill("Countess of Lovelace");
  await card.getByLabel("Phone").fill("1".repeat(41));
  await card.getByRole("button", { name: "Save profile" }).click();
  await card.getByRole("textbox", { name: "Phone", description: /at most 40 characters/ }).waitFor();
  await card.getByLabel("Phone").fill("+44 20 7946 0000");
  await card.getByRole("button", { name: "Save profile" }).click();
  await says(page, "Your profile was saved.");
  await audit(page, "dashboard-saved");
  await reachDashboard(page);
  assert.equal(await card.getByLabel("Name").inputValue(), "Countess of Lovelace");
  assert.equal(await card.getByLabel("Phone").inputValue(), "+44 20 7946 0000");
});

test("sessions are listed and revoked: one, all others, or all", async (t) => {
  const email = someone();
  const page = await site.signedUp(t, email);
  await page.getByRole("button", { name: "Sign out", exact: true }).click();
  const others = [];
  for (let number = 0; number < 3; number += 1) {
    const other = await site.visit(t, { path: "/demo#/login", expected: [/status of 401/] });
    await site.logIn(other, email);
    others.push(other);
  }
  await site.logIn(page, email);
  const card = part(page, "Sessions");
  await card.getByText("Chrome on Linux").nth(3).waitFor();
  await audit(page, "dashboard");
  await card.getByRole("button", { name: /^Sign out the session/ }).first().click();
  await says(page, "The session was signed out.");
  await card.getByRole("button", { name: "Sign out all others" }).click();
  await says(page, "2 sessions were signed out.");
  for (const other of others) {
    await other.getByRole("button", { name: "Save profile" }).click();
    await heading(other, "Sign in");
    await says(other, "Your session has ended. Sign in again.");
  }

  await site.logIn(others[0], email);
  await card.getByRole("button", { name: "Sign out everywhere" }).click();
  const dialog = page.getByRole("dialog");
  await audit(page, "dialog");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  await card.getByRole("button", { name: "Sign out everywhere" }).click();
  await dialog.getByRole("button", { name: "Sign out everywhere" }).click();
  await heading(page, "Sign in");
  await says(page, "You are signed out everywhere.");
  await others[0].getByRole("button", { name: "Save profile" }).click();
  await says(others[0], "Your session has ended.");
});

test("everything works without a mouse, and focus moves to the title of each view", async (t) => {
  const email = someone();
  const page = await site.visit(t);
  const focused = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.name);
  const tabTo = async (text) => {
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press("Tab");
      if ((await focused()) === text) {
        return;
      }
    }
    assert.fail(`no way to ${text} by Tab`);
  };
  await heading(page, "Sign in");
  await tabTo("Sign up");
  await page.keyboard.press("Enter");
  await heading(page, "Sign up");
  assert.equal(await focused(), "Sign up");
  assert.match(await page.title(), /^Sign up – /);
  await tabTo("email");
  await page.keyboard.type(email);
  await tabTo("name");
  await page.keyboard.type("Ada");
  await page.keyboard.press("Enter");
  await heading(page, "Enter the code");
  assert.equal(await focused(), "Enter the code");
  await tabTo("code");
  await page.keyboard.type(await site.server.code(email, "signup_code"));
  await page.keyboard.press("Enter");
  await heading(page, "Dashboard");
  assert.equal(await focused(), "Dashboard");
  // The dialog keeps the focus and gives it back.
  await tabTo("Sign out everywhere");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(), "Sign out everywhere");
});
