// A code on its way: what it was asked for with, so that it can be asked for again. Kept for the
// tab, so that a reload while looking for the mail loses nothing.

import { mutate } from "./api.js";

const KEY = "gatelodge.challenge";
const CHALLENGE = "challenge { email expiresAt } errors { ...Problem }";

/** By purpose: how a code is asked for, and how it is answered. */
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
  // Without input: for whoever is signed in.
  verify: {
    ask: `mutation Ask { requestEmailVerification { ${CHALLENGE} } }`,
    answer: `mutation Answer($input: VerifyEmailInput!) {
      verifyEmail(input: $input) { user { id } errors { ...Problem } }
    }`,
  },
};

/** Has a code mailed for `purpose`, and keeps what is known of it. */
export async function askForCode(purpose, input) {
  const { challenge } = await mutate(PURPOSES[purpose].ask, input);
  keepChallenge(purpose, input, challenge);
}

/** Keeps a code that was mailed by another mutation. */
export function keepChallenge(purpose, input, { email, expiresAt }) {
  sessionStorage.setItem(KEY, JSON.stringify({ purpose, input, email, expiresAt, sentAt: Date.now() }));
}

/** The code that is waited for: `{ purpose, input, email, expiresAt, sentAt }`, or null. */
export function challenge() {
  return JSON.parse(sessionStorage.getItem(KEY));
}

/** Answers it; the payload, which has a session unless an address was only to be proved. */
export async function answerCode({ purpose, email }, code) {
  const payload = await mutate(PURPOSES[purpose].answer, { email, code });
  sessionStorage.removeItem(KEY);
  return payload;
}
