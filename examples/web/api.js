// Queries and mutations: with the token of whoever is signed in, and with the errors that a person
// can mend apart from all others.

import { currentToken, renew, signOut } from "./session.js";
import { RequestFailed, post } from "./transport.js";

const PROBLEM = `fragment Problem on UserError {
  code message field
  ... on InvalidCodeError { attemptsRemaining }
  ... on RateLimitedError { retryAfterSeconds }
}`;

/** A mutation that was not done, for reasons that a person can mend. */
export class Refused extends Error {
  constructor(errors) {
    super(errors.map(({ code }) => code).join(" "));
    this.errors = errors;
  }

  /** The error with this code, if it is one of the reasons. */
  find(code) {
    return this.errors.find((error) => error.code === code);
  }
}

/** The data of a query. */
export function query(document, variables) {
  return run(document, variables);
}

/**
 * The payload of a mutation of one field that takes `$input`; Refused if it holds errors, which the
 * document asks for with `errors { ...Problem }`.
 */
export async function mutate(document, input) {
  const data = await run(`${document}\n${PROBLEM}`, input === undefined ? {} : { input });
  const [payload] = Object.values(data);
  if (payload.errors.length > 0) {
    throw new Refused(payload.errors);
  }
  return payload;
}

/** A refused token is renewed, and the request sent again: it did nothing the first time. */
async function run(document, variables) {
  const token = await currentToken();
  try {
    const data = await post(document, variables, token);
    // `me` is there for strangers too, and a dead token makes a stranger.
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

/** Ends the session, on the server and here. */
export async function logOut() {
  await mutate("mutation Logout { logout { endedSessionId errors { ...Problem } } }");
  signOut();
}

let info = null;

/** What the server says about itself; asked for once. */
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
