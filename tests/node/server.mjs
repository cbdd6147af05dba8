// Starts the real server for a test: in a directory of its own, on a free port, its mail kept in
// the mailbox of development.
import { spawn } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY =
  process.env.GATELODGE_BIN ??
  fileURLToPath(new URL("../../target/debug/gatelodge", import.meta.url));

// What `scripts/graphiql` installs, where it was run.
const ASSETS = fileURLToPath(new URL("../../assets", import.meta.url));

const START_MILLISECONDS = 30_000;
const WAIT_MILLISECONDS = 10_000;
const POLL_MILLISECONDS = 20;

// Nothing of the caller's settings may reach the server but these.
const INHERITED = ["PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH"];

// Every test comes from one address, so what is counted per address is raised out of the way.
const SETTINGS = {
  HOST: "127.0.0.1",
  PORT: "0",
  EMAIL_SERVICE: "mock",
  LOG_FORMAT: "json",
  LOG_TO_FILE: "false",
  BCRYPT_COST: "4",
  MAX_CODE_REQUESTS_PER_HOUR: "1000",
  MAX_CODE_REQUESTS_PER_HOUR_PER_IP: "1000",
  MAX_REGISTRATIONS_PER_HOUR_PER_IP: "1000",
};

/**
 * Answers what `ask` yields as soon as that is something other than undefined; fails, saying what
 * was awaited, after ten seconds.
 *
 * @template T
 * @param {string} what
 * @param {() => T | undefined | Promise<T | undefined>} ask
 * @returns {Promise<T>}
 */
export async function eventually(what, ask) {
  const deadline = Date.now() + WAIT_MILLISECONDS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) {
      return answer;
    }
    if (Date.now() > deadline) {
      throw new Error(`${what}: not within ${WAIT_MILLISECONDS} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
}

/**
 * Starts a server with `settings` (environment variables) over those every test has, and waits
 * until it answers. `stop` ends it and removes its directory.
 */
export async function startServer(settings = {}) {
  const directory = await mkdtemp(join(tmpdir(), "gatelodge-"));
  await symlink(ASSETS, join(directory, "assets"));
  const inherited = INHERITED.filter((name) => name in process.env);
  const child = spawn(BINARY, [], {
    cwd: directory,
    env: {
      ...Object.fromEntries(inherited.map((name) => [name, process.env[name]])),
      ...SETTINGS,
      ...settings,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise((resolve) => {
    child.once("exit", resolve);
    child.once("error", resolve);
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const url = await address(child, ended);
    await eventually("an answer of /healthz", async () => {
      const response = await fetch(`${url}/healthz`).catch(() => undefined);
      return response?.ok ? true : undefined;
    });
    return new Server(url, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

class Server {
  #seen = new Set();

  constructor(url, stop) {
    /** Where it listens, such as `http://127.0.0.1:12345`. */
    this.url = url;
    /** Its GraphQL endpoint. */
    this.graphql = `${url}/graphql`;
    /** Ends the server and removes its directory. */
    this.stop = stop;
  }

  /** Every mail that was "sent", the newest first: `{id, kind, to, subject, code, link, text}`. */
  async mails() {
    const response = await fetch(`${this.url}/dev/mailbox/mails`);
    return response.json();
  }

  /** The newest mail of this kind to this address that was not handed out before. */
  async mail(to, kind) {
    const mail = await eventually(`a ${kind} mail to ${to}`, async () =>
      (await this.mails()).find(
        (mail) => mail.to === to && mail.kind === kind && !this.#seen.has(mail.id),
      ),
    );
    this.#seen.add(mail.id);
    return mail;
  }

  /** The code in the mail that `mail` finds. */
  async code(to, kind) {
    return (await this.mail(to, kind)).code;
  }

  /** The link in the mail that `mail` finds. */
  async link(to, kind) {
    return (await this.mail(to, kind)).link;
  }
}

// The port is the one the server says it took; its output is read to the end, so that the pipes
// never fill.
async function address(child, ended) {
  const output = [];
  const found = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        const port = /\bon port (\d+)/.exec(line)?.[1];
        if (port !== undefined) {
          resolve(`http://127.0.0.1:${port}`);
        }
        if (output.length < 100) {
          output.push(line);
        }
      });
    }
  });
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, START_MILLISECONDS, "late");
  });
  const first = await Promise.race([found, ended.then(() => "ended"), late]);
  clearTimeout(timer);
  if (first === "ended" || first === "late") {
    throw new Error(`${BINARY} did not start (${first}):\n${output.join("\n")}`);
  }
  return first;
}
