// The code that was requested last, and with which input, so that it can be requested again. Kept in
// the tab's session storage, so that a reload loses nothing.

import { mutate } from "./api.js";

const KEY = "gatelodge.challenge";
const CHALLENGE = "challenge { email expiresAt } errors { ...Problem }";

/** By purpose: how a code is requested and submitted. */
const PURPOSES = {
  signup: {
    ask: `mutation Ask($input: RequestSignupCodeInput!) { requestSignupCode(input: $input) { ${CHALLENGE} } }`,
    answer: `mutation Answer($input: VerifySignupCodeInput!) {
      verifySignupCode(input: $input) { session { accessToken refreshToken } errors { ...Problem } }
    }`,
  },
  login: {
    ask: `mutation Ask($input: RequestLoginCodeInput!) { requestLoginCode(input: $input) { ${CHALLENGE} } }`,
    answer: `mutation Answer($input: VerifyLoginCodeInput!) {
      verifyLoginCode(input: $input) { session { accessToken refreshToken } errors { ...Problem } }
    }`,
  },
  // No input: it concerns the signed-in user.
  verify: {
    ask: `mutation Ask { requestEmailVerification { ${CHALLENGE} } }`,
    answer: `mutation Answer($input: VerifyEmailInput!) {
      verifyEmail(input: $input) { user { id } errors { ...Problem } }
    }`,
  },
};

/** Requests a code for `purpose` and remembers it. */
export async function askForCode(purpose, input) {
  const { challenge } = await mutate(PURPOSES[purpose].ask, input);
  keepChallenge(purpose, input, challenge);
}

/** Remembers a code that another mutation requested. */
export function keepChallenge(purpose, input, { email, expiresAt }) {
  sessionStorage.setItem(KEY, JSON.stringify({ purpose, input, email, expiresAt, sentAt: Date.now() }));
}

/** The requested code: `{ purpose, input, email, expiresAt, sentAt }`, or null. */
export function challenge() {
  return JSON.parse(sessionStorage.getItem(KEY));
}

/** Submits a code. The payload has a session unless the code only verified an email address. */
export async function answerCode({ purpose, email }, code) {
  const payload = await mutate(PURPOSES[purpose].answer, { email, code });
  sessionStorage.removeItem(KEY);
  return payload;
}
