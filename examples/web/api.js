// Queries and mutations with the signed-in user's token. Errors that the user can correct are
// separate from all others.

import { currentToken, renew, signOut } from "./session.js";
import { RequestFailed, post } from "./transport.js";

const PROBLEM = `fragment Problem on UserError {
  code message field
  ... on InvalidCodeError { attemptsRemaining }
  ... on RateLimitedError { retryAfterSeconds }
}`;

/** A mutation that failed with errors that the user can correct. */
export class Refused extends Error {
  constructor(errors) {
    super(errors.map(({ code }) => code).join(" "));
    this.errors = errors;
  }

  /** The error with this code, if there is one. */
  find(code) {
    return this.errors.find((error) => error.code === code);
  }
}

/** Runs a query and returns its data. */
export function query(document, variables) {
  return run(document, variables);
}

/**
 * Runs a mutation with one field that takes `$input`, and returns its payload. Throws Refused if the
 * payload has errors, which the document selects with `errors { ...Problem }`.
 */
export async function mutate(document, input) {
  const data = await run(`${document}\n${PROBLEM}`, input === undefined ? {} : { input });
  const [payload] = Object.values(data);
  if (payload.errors.length > 0) {
    throw new Refused(payload.errors);
  }
  return payload;
}

/** Refreshes a refused token and repeats the request, which had no effect the first time. */
async function run(document, variables) {
  const token = await currentToken();
  try {
    const data = await post(document, variables, token);
    // `me` is public: with a token that is no longer valid it is null.
    if (token === null || data.me !== null) {
      return data;
    }
  } catch (error) {
    const isRefused = error instanceof RequestFailed && error.code === "UNAUTHENTICATED";
    if (token === null || !isRefused) {
      throw error;
    }
  }
  return post(document, variables, await renew(token));
}

/** Signs out, on the server and here. */
export async function logOut() {
  await mutate("mutation Logout { logout { endedSessionId errors { ...Problem } } }");
  signOut();
}

let info = null;

/** The server's public settings; fetched once. */
export function serverInfo() {
  info ??= query(`{
    serverInfo { appName codeLength codeType codeExpirationMinutes passwordMinLength supportEmail }
  }`)
    .then((data) => data.serverInfo)
    .catch((error) => {
      info = null;
      throw error;
    });
  return info;
}
