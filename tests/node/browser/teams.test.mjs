// Teams: made, joined by every kind of invitation, changed, and left.
import assert from "node:assert/strict";
import { test } from "node:test";

import { audit, heading, part, says, someone, useSite } from "./site.mjs";

// Codes of letters here: whatever the server is set to is what the code page asks for.
const site = useSite({ CODE_TYPE: "alphanumeric", CODE_LENGTH: "8" });

async function createTeam(page, name, purpose = "") {
  const card = part(page, "Teams");
  await card.getByLabel("Team name").fill(name);
  await card.getByLabel("Description").fill(purpose);
  await card.getByRole("button", { name: "Create team" }).click();
  await heading(page, name);
}

async function invite(page, email, role = "Member") {
  const card = part(page, "Invitations");
  await card.getByLabel("Email address to invite").fill(email);
  await card.getByLabel("Role").selectOption(role);
  await card.getByRole("button", { name: "Invite" }).click();
}

/** An admin on the page of a new team. */
async function admin(t, name) {
  const page = await site.signedUp(t, someone("admin"), { name: "Grace Hopper" });
  await createTeam(page, name);
  return page;
}

/** The item of a member in the list. */
const member = (page, name) => part(page, "Members").getByRole("listitem").filter({ hasText: name });

const agree = (page, button) => page.getByRole("dialog").getByRole("button", { name: button }).click();

test("a team is created, renamed and deleted", async (t) => {
  const page = await site.signedUp(t, someone());
  await part(page, "Teams").getByRole("button", { name: "Create team" }).click();
  await page.getByRole("textbox", { name: "Team name", description: /1 to 120 characters/ }).waitFor();
  await createTeam(page, "Compilers", "From formulas to code");
  await says(page, "Compilers was created. You are its admin.");
  await says(page, "From formulas to code");
  await audit(page, "team-new");
  const about = part(page, "Name and description");
  await about.getByLabel("Name").fill("Linkers");
  await about.getByRole("button", { name: "Save team" }).click();
  await heading(page, "Linkers");
  await page.getByRole("link", { name: "Dashboard" }).click();
  await part(page, "Teams").getByRole("link", { name: "Linkers" }).click();
  await heading(page, "Linkers");
  await page.getByRole("button", { name: "Delete team" }).click();
  await agree(page, "Delete");
  await heading(page, "Dashboard");
  await says(page, "Linkers was deleted.");
  await page.goBack();
  await heading(page, "Team not found");
  await audit(page, "team-gone");
});

test("a new user joins by signing up through the mailed link", async (t) => {
  const page = await admin(t, "Newcomers");
  const email = someone("new");
  await invite(page, "nobody@");
  await page.getByRole("textbox", { name: "Email address to invite", description: /not a valid/ }).waitFor();
  await invite(page, email, "Admin");
  await says(page, `${email} was invited.`);
  await audit(page, "team-invited");

  const guest = await site.visit(t);
  await guest.goto(await site.server.link(email, "team_invitation"));
  await heading(guest, "Join Newcomers");
  await says(guest, "Grace Hopper invited");
  await says(guest, "to join as an admin");
  await audit(guest, "invitation");
  await guest.getByRole("button", { name: "Join the team" }).click();
  await guest.getByRole("heading", { name: "Sign up to join" }).waitFor();
  assert.equal(await guest.getByLabel("Email").inputValue(), email);
  await audit(guest, "invitation-signup");
  await guest.getByLabel("Name").fill("Jean Bartik");
  await guest.getByRole("button", { name: "Sign up" }).click();
  await heading(guest, "Enter the code");
  await says(guest, "8 letters and digits");
  assert.equal(await guest.getByLabel("Code", { exact: true }).getAttribute("inputmode"), "text");
  await site.enterCode(guest, email, "signup_code");
  await heading(guest, "Dashboard");
  await part(guest, "Teams").getByRole("link", { name: "Newcomers" }).click();
  await heading(guest, "Newcomers");
  await part(guest, "Invitations").waitFor();

  await page.reload();
  await member(page, "Jean Bartik").getByText("Admin", { exact: true }).waitFor();
});

test("a user with a verified address joins at once, and roles can be changed", async (t) => {
  const email = someone("member");
  const guest = await site.signedUp(t, email, { name: "Jean Bartik" });
  const page = await admin(t, "Programmers");
  await invite(page, email);
  await says(page, "already has an account and is now a member");
  await invite(page, email);
  await page.getByRole("textbox", { name: "Email address to invite", description: /already a member of the team/ }).waitFor();

  await guest.reload();
  await part(guest, "Teams").getByRole("link", { name: "Programmers" }).click();
  await heading(guest, "Programmers");
  await member(guest, "Grace Hopper").waitFor();
  // A member sees who is there and can leave, no more.
  assert.deepEqual(await guest.getByRole("main").getByRole("button").allTextContents(), ["Leave team"]);
  await audit(guest, "team-member");

  // The last admin stays one.
  await page.getByRole("button", { name: "Make member: Grace Hopper" }).click();
  await says(page, "The team would be left without an admin.");
  await audit(page, "team-last-admin");
  await page.getByRole("button", { name: "Leave team" }).click();
  await agree(page, "Leave");
  await part(page, "Leave").getByText("The team would be left without an admin.").waitFor();

  await page.getByRole("button", { name: "Make admin: Jean Bartik" }).click();
  await says(page, "Jean Bartik is now an admin.");
  await page.getByRole("button", { name: "Make member: Grace Hopper" }).click();
  await says(page, "You are now a member.");
  assert.equal(await page.getByRole("button", { name: "Delete team" }).count(), 0);

  await guest.reload();
  await guest.getByRole("button", { name: "Remove Grace Hopper" }).click();
  await agree(guest, "Remove");
  await says(guest, "Grace Hopper was removed.");
  await page.reload();
  await heading(page, "Team not found");
  await guest.getByRole("button", { name: "Leave team" }).click();
  await agree(guest, "Leave");
  await says(guest, "You left Programmers.");
  assert.equal(await part(guest, "Teams").getByRole("link").count(), 0);
});

test("a user with an unverified address joins by the mailed link, which verifies it", async (t) => {
  const email = someone("unproved");
  const guest = await site.visit(t, { path: "/demo#/signup/password" });
  await guest.getByLabel("Email").fill(email);
  await guest.getByLabel("First name").fill("Jean");
  await guest.getByLabel("Last name").fill("Bartik");
  await guest.getByLabel("Password").fill("correct horse battery");
  await guest.getByRole("button", { name: "Sign up" }).click();
  await heading(guest, "Enter the code");
  const page = await admin(t, "Provers");
  await invite(page, email);
  await says(page, `${email} was invited.`);
  await guest.goto(await site.server.link(email, "team_invitation"));
  await guest.getByRole("button", { name: "Join the team" }).click();
  await heading(guest, "Sign in");
  await says(guest, "You are now a member of Provers. Sign in to see it.");
  assert.equal(await guest.getByLabel("Email").inputValue(), email);
  await guest.getByRole("button", { name: "Send code" }).click();
  await site.enterCode(guest, email, "login_code");
  await part(guest, "Teams").getByRole("link", { name: "Provers" }).waitFor();
});

test("a user who is signed in with another account signs out first", async (t) => {
  const page = await admin(t, "Mismatch");
  const email = someone("new");
  await invite(page, email);
  const guest = await site.signedUp(t, someone("other"));
  const link = await site.server.link(email, "team_invitation");
  await guest.goto(link);
  await guest.getByRole("button", { name: "Join the team" }).click();
  await says(guest, "You are signed in with a different email address");
  await audit(guest, "invitation-mismatch");
  await guest.getByRole("button", { name: "Sign out and join" }).click();
  await guest.getByRole("heading", { name: "Sign up to join" }).waitFor();
});

test("an invitation can be declined and revoked", async (t) => {
  const page = await admin(t, "Refusals");
  const guest = await site.visit(t);
  const [declining, revoked] = [someone("new"), someone("new")];
  await invite(page, declining);
  await says(page, `${declining} was invited.`);
  await guest.goto(await site.server.link(declining, "team_invitation"));
  await guest.getByRole("button", { name: "Decline" }).click();
  await agree(guest, "Decline");
  await says(guest, "You declined the invitation.");

  await invite(page, revoked);
  await says(page, `${revoked} was invited.`);
  assert.equal(await part(page, "Invitations").getByText(declining).count(), 0);
  const link = await site.server.link(revoked, "team_invitation");
  await page.getByRole("button", { name: `Revoke the invitation for ${revoked}` }).click();
  await says(page, "The invitation was revoked.");
  await guest.goto(link);
  await heading(guest, "This invitation is no longer valid");
  await audit(guest, "invitation-over");
});

test("a long list is loaded page by page", async (t) => {
  const page = await site.signedUp(t, someone());
  const sent = page.waitForRequest((request) => "authorization" in request.headers());
  await page.getByRole("button", { name: "Save profile" }).click();
  const { authorization } = (await sent).headers();
  const create = "mutation($input: CreateTeamInput!) { createTeam(input: $input) { errors { code } } }";
  for (let number = 1; number <= 21; number += 1) {
    const body = JSON.stringify({ query: create, variables: { input: { name: `Team ${number}` } } });
    const headers = { authorization, "content-type": "application/json" };
    await fetch(site.server.graphql, { method: "POST", headers, body });
  }
  await page.reload();
  const items = part(page, "Teams").getByRole("listitem");
  await items.nth(19).waitFor();
  assert.equal(await items.count(), 20);
  await page.getByRole("button", { name: "More teams" }).click();
  await items.nth(20).waitFor();
  assert.equal(await page.getByRole("button", { name: "More teams" }).isVisible(), false);
});
