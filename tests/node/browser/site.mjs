// The demo in a real browser: a server, Chromium, and what every page of it must keep to.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { startServer } from "../server.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--no-first-run",
  // Nothing here may need the network.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];
const PATIENCE_MILLISECONDS = 10_000;

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/** WCAG 2.5.5, in CSS pixels. */
const TARGET_SIZE = 44;

const SCREENSHOTS = fileURLToPath(new URL("../../../target/screenshots", import.meta.url));
mkdirSync(SCREENSHOTS, { recursive: true });

const DESKTOP = { width: 1100, height: 800 };
const PHONE = { width: 360, height: 740 };

let people = 0;

/** An address that nobody has yet. */
export function someone(name = "ada") {
  return `${name}-${++people}@example.com`;
}

/** A server and a browser for the tests of a file. */
export function useSite(settings = {}) {
  const site = new Site();
  before(() => site.start(settings));
  after(() => site.stop());
  return site;
}

class Site {
  async start(settings) {
    this.directory = mkdtempSync(join(tmpdir(), "gatelodge-browser-"));
    this.database = join(this.directory, "gatelodge.db");
    // Mailed links must lead to this server.
    const port = await freePort();
    this.server = await startServer({
      PORT: String(port),
      APP_URL: `http://127.0.0.1:${port}`,
      DATABASE_URL: `sqlite://${this.database}?mode=rwc`,
      ...settings,
    });
    this.browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  }

  async stop() {
    await this.browser?.close();
    await this.server?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A browser of its own for a test, which fails if its pages complain about anything unexpected. */
  async visit(t, { path = "/demo", expected = [] } = {}) {
    const context = await this.browser.newContext({
      viewport: DESKTOP,
      reducedMotion: "reduce",
      locale: "en-GB",
      timezoneId: "UTC",
    });
    context.setDefaultTimeout(PATIENCE_MILLISECONDS);
    const complaints = [];
    context.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) {
        complaints.push(message.text());
      }
    });
    context.on("weberror", (error) => complaints.push(String(error.error())));
    t.after(async () => {
      await context.close();
      const unexpected = complaints.filter((text) => !expected.some((pattern) => pattern.test(text)));
      assert.deepEqual(unexpected, []);
    });
    const page = await context.newPage();
    await page.goto(this.server.url + path);
    return page;
  }

  /** Makes an account without a browser, where a test is about something else. */
  async makeAccount(email) {
    const ask = async (field, type, input) => {
      const query = `mutation($input: ${type}!) { ${field}(input: $input) { errors { code } } }`;
      const body = JSON.stringify({ query, variables: { input } });
      const headers = { "content-type": "application/json" };
      const response = await fetch(this.server.graphql, { method: "POST", headers, body });
      assert.deepEqual((await response.json()).data[field].errors, []);
    };
    await ask("requestSignupCode", "RequestSignupCodeInput", { email, name: "Ada Lovelace" });
    const code = await this.server.code(email, "signup_code");
    await ask("verifySignupCode", "VerifySignupCodeInput", { email, code });
  }

  /** Someone new, signed in on the dashboard. */
  async signedUp(t, email, { name = "Ada Lovelace", ...options } = {}) {
    const page = await this.visit(t, { path: "/demo#/signup", ...options });
    await this.signUp(page, email, name);
    return page;
  }

  async signUp(page, email, name) {
    await page.getByLabel("Email").fill(email);
    await page.getByLabel("Name").fill(name);
    await page.getByRole("button", { name: "Sign up" }).click();
    await this.enterCode(page, email, "signup_code");
    await heading(page, "Dashboard");
  }

  /** Answers with the code that was mailed. */
  async enterCode(page, email, kind) {
    await heading(page, "Enter the code");
    await page.getByLabel("Code", { exact: true }).fill(await this.server.code(email, kind));
    await page.getByRole("button", { name: "Continue" }).click();
  }

  /** Logs in by code in a browser that shows the login page. */
  async logIn(page, email) {
    await page.getByLabel("Email").fill(email);
    await page.getByRole("button", { name: "Send code" }).click();
    await this.enterCode(page, email, "login_code");
    await heading(page, "Dashboard");
  }

  /** Changes the database behind the server's back. */
  sql(statement) {
    const run = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1], timeout=10); d.executescript(sys.argv[2])";
    execFileSync(process.env.TEST_PYTHON ?? "python3", ["-c", run, this.database, statement]);
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Waits for a view by its title. */
export async function heading(page, name) {
  await page.getByRole("heading", { level: 1, name }).waitFor();
}

/** Waits until the page says this. */
export async function says(page, text) {
  await page.getByText(text).filter({ visible: true }).first().waitFor();
}

/** The part of a view with this heading. */
export function part(page, title) {
  return page.locator("section", { has: page.getByRole("heading", { level: 2, name: title, exact: true }) });
}

/** How many requests of an operation a page sends while `work` runs. */
export async function count(page, operation, work) {
  let sent = 0;
  const listen = (request) => {
    sent += request.postData()?.includes(operation) ? 1 : 0;
  };
  page.on("request", listen);
  await work();
  page.off("request", listen);
  return sent;
}

/**
 * Holds what is shown against what every view promises: no violation that axe finds, on a screen in
 * light and on a phone in dark; nothing to scroll sideways at 360 pixels; targets for thumbs. Leaves
 * pictures in target/screenshots.
 */
export async function audit(page, name) {
  for (const [colorScheme, viewport] of [
    ["light", DESKTOP],
    ["dark", PHONE],
  ]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    const path = join(SCREENSHOTS, `${name}-${colorScheme}.png`);
    await page.screenshot({ path, fullPage: true });
    await page.evaluate(AXE);
    const violations = await page.evaluate(async (tags) => {
      const { violations } = await globalThis.axe.run({ runOnly: tags });
      return violations.map(({ id, help, nodes }) => [id, help, ...nodes.map(({ html }) => html)]);
    }, AXE_TAGS);
    assert.deepEqual(violations, [], `${name}, ${colorScheme}`);
  }
  const { width, small } = await page.evaluate((size) => {
    const targets = [...document.querySelectorAll("button, input, select, nav a")];
    const seen = targets.filter((target) => target.checkVisibility());
    const small = seen.filter((target) => target.getBoundingClientRect().height < size);
    return { width: document.documentElement.scrollWidth, small: small.map(({ outerHTML }) => outerHTML) };
  }, TARGET_SIZE);
  assert.equal(width, PHONE.width, `${name} scrolls sideways`);
  assert.deepEqual(small, [], `${name} has small targets`);
  await page.setViewportSize(DESKTOP);
  await page.emulateMedia({ colorScheme: "light" });
}
