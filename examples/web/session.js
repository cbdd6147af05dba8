// Who is signed in: where the tokens are kept, and how they are renewed.
//
// The access token stays in memory. It goes along with every request, and nothing else needs it.
//
// The refresh token is in localStorage, so that the session outlives a reload and is the same in
// all tabs; a mailed link opens a new one, where sessionStorage would be empty. Whatever script runs
// in the page could read either. What keeps foreign ones out is the page's content security policy,
// and that text is never put in as HTML. A stolen copy does not last: each token buys the next one
// once, and the server ends the session of a token that is used again later. An app that has a
// server of its own can do better, and keep the refresh token there, behind an HttpOnly cookie.

import { post } from "./transport.js";

const KEY = "gatelodge.refresh-token";
const REFRESH = `mutation Refresh($input: RefreshSessionInput!) {
  refreshSession(input: $input) {
    session { accessToken refreshToken }
    errors { code }
  }
}`;

/** The session is over: somebody has to log in again. */
export class SessionEnded extends Error {}

const tabs = new BroadcastChannel("gatelodge.session");
let accessToken = null;
let renewing = null;
let whenChanged = () => {};

/** Calls `listener` when another tab signs in or out, and when the session turns out to be over. */
export function onSessionChange(listener) {
  whenChanged = listener;
}

/** Whether there is a session, as far as is known here. */
export function isSignedIn() {
  return localStorage.getItem(KEY) !== null;
}

/** Keeps the tokens of a sign-in. */
export function signIn(session) {
  keep(session);
  tabs.postMessage({ accessToken, isNew: true });
}

/** Forgets the tokens, here and in all tabs. */
export function signOut() {
  accessToken = null;
  localStorage.removeItem(KEY);
  tabs.postMessage({ accessToken, isNew: true });
}

/** The access token to send, after a reload a new one; null for nobody. */
export async function currentToken() {
  return accessToken === null && isSignedIn() ? renew(null) : accessToken;
}

/** A token in place of the `refused` one: one refresh, however many requests wait for it. */
export function renew(refused) {
  renewing ??= oneTabAtATime(() => refresh(refused)).finally(() => {
    renewing = null;
  });
  return renewing;
}

// Where there are no locks (plain HTTP from another machine) two tabs may refresh at once: the
// server gives both the same answer.
function oneTabAtATime(work) {
  return navigator.locks === undefined ? work() : navigator.locks.request(KEY, work);
}

async function refresh(refused) {
  if (accessToken !== null && accessToken !== refused) {
    // Another tab, or a request before this one, has just done it.
    return accessToken;
  }
  const refreshToken = localStorage.getItem(KEY);
  const { session } =
    refreshToken === null
      ? { session: null }
      : (await post(REFRESH, { input: { refreshToken } }, null)).refreshSession;
  if (session === null) {
    signOut();
    whenChanged("ended");
    throw new SessionEnded();
  }
  keep(session);
  tabs.postMessage({ accessToken, isNew: false });
  return accessToken;
}

function keep(session) {
  accessToken = session.accessToken;
  localStorage.setItem(KEY, session.refreshToken);
}

tabs.addEventListener("message", ({ data }) => {
  accessToken = data.accessToken;
  if (data.isNew) {
    whenChanged("elsewhere");
  }
});
