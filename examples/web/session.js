// The session: where the tokens are kept and how they are refreshed.
//
// The access token stays in memory and is sent with every request.
//
// The refresh token is in localStorage, so that the session survives a reload and is shared by all
// tabs; a link in a mail opens a new tab, where sessionStorage would be empty. Any script in the page
// can read both. The page's content security policy keeps foreign scripts out, and text is never
// inserted as HTML. A stolen refresh token is of limited use: each can be exchanged once, and the
// server revokes the session when one is used again. An app with a server of its own can keep the
// refresh token there, behind an HttpOnly cookie.

import { post } from "./transport.js";

const KEY = "gatelodge.refresh-token";
const REFRESH = `mutation Refresh($input: RefreshSessionInput!) {
  refreshSession(input: $input) {
    session { accessToken refreshToken }
    errors { code }
  }
}`;

/** The session has ended: the user has to sign in again. */
export class SessionEnded extends Error {}

const tabs = new BroadcastChannel("gatelodge.session");
let accessToken = null;
let renewing = null;
let whenChanged = () => {};

/** Calls `listener` when another tab signs in or out, and when the session has ended. */
export function onSessionChange(listener) {
  whenChanged = listener;
}

/** Whether there is a session, as far as this browser knows. */
export function isSignedIn() {
  return localStorage.getItem(KEY) !== null;
}

/** Stores the tokens of a sign-in. */
export function signIn(session) {
  keep(session);
  tabs.postMessage({ accessToken, isNew: true });
}

/** Deletes the tokens, in all tabs. */
export function signOut() {
  accessToken = null;
  localStorage.removeItem(KEY);
  tabs.postMessage({ accessToken, isNew: true });
}

/** The access token to send (refreshed after a reload), or null if nobody is signed in. */
export async function currentToken() {
  return accessToken === null && isSignedIn() ? renew(null) : accessToken;
}

/** A token to replace the `refused` one. All waiting requests share one refresh. */
export function renew(refused) {
  renewing ??= oneTabAtATime(() => refresh(refused)).finally(() => {
    renewing = null;
  });
  return renewing;
}

// Without the Web Locks API (plain HTTP from another machine) two tabs may refresh at the same time:
// the server gives both the same answer.
function oneTabAtATime(work) {
  return navigator.locks === undefined ? work() : navigator.locks.request(KEY, work);
}

async function refresh(refused) {
  if (accessToken !== null && accessToken !== refused) {
    // Another tab or an earlier request has just refreshed.
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
