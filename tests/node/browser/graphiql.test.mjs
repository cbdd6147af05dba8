// GraphiQL, from our own files, without a network and under our content security policy.
import assert from "node:assert/strict";
import { test } from "node:test";

import { useSite } from "./site.mjs";

const site = useSite();

/** What the tabs hold that GraphiQL opens with. */
async function examples(page) {
  // Written a moment after they are shown.
  const state = await page.waitForFunction(() => localStorage.getItem("graphiql:tabState"));
  return JSON.parse(await state.jsonValue()).tabs;
}

test("an operation runs, headers can be edited, and the schema can be read", async (t) => {
  const page = await site.visit(t, { path: "/graphql" });
  const foreign = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(site.server.url)) {
      foreign.push(request.url());
    }
  });
  await page.reload();
  await page.getByRole("button", { name: /^Execute query/ }).click();
  await page.locator(".result-window").getByText("Gatelodge").waitFor();
  await page.getByRole("button", { name: "Headers" }).click();
  await page.getByLabel("Headers", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.getByText("Root Types").waitFor();
  assert.deepEqual(foreign, []);
});

test("every example is valid against the schema", async (t) => {
  const page = await site.visit(t, { path: "/graphql" });
  await page.getByRole("button", { name: /^Execute query/ }).waitFor();
  const tabs = await examples(page);
  assert(tabs.length > 5, `${tabs.length} examples`);
  for (const { query, variables } of tabs) {
    const response = await fetch(site.server.graphql, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query, variables: JSON.parse(variables || "null") }),
    });
    const { errors = [] } = await response.json();
    // Nobody is signed in here.
    const codes = errors.map((error) => error.extensions.code);
    assert.deepEqual(codes.filter((code) => code !== "UNAUTHENTICATED"), [], query);
  }
});
