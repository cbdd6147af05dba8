import { print } from "graphql";

import {
  RefreshSessionDocument,
  type RefreshSessionMutation,
  type TokenPartsFragment,
} from "./gen/graphql";

/** Storage for the refresh token that outlives the page. */
export interface TokenStorage {
  read(): string | null;
  write(refreshToken: string | null): void;
}

/**
 * The browser's localStorage: shared by tabs and kept across restarts. An injected script could read
 * it, so ship a strict Content-Security-Policy. If a stolen token is used twice, the server revokes
 * the session.
 */
export const browserStorage: TokenStorage = {
  read: () => localStorage.getItem("refreshToken"),
  write: (refreshToken) =>
    refreshToken === null
      ? localStorage.removeItem("refreshToken")
      : localStorage.setItem("refreshToken", refreshToken),
};

/** The session: keeps the tokens and refreshes them when they have expired. */
export class Session {
  // In memory only: a new page gets one with the refresh token.
  #accessToken: string | null = null;
  #renewing: Promise<string | null> | null = null;

  constructor(
    private readonly url: string,
    private readonly storage: TokenStorage,
    /** Called once when the server has ended the session: clear caches, show the sign-in page. */
    private readonly onEnded: () => void,
  ) {}

  get isSignedIn(): boolean {
    return this.storage.read() !== null;
  }

  /** Call this with the session of a sign-in payload. */
  begin(tokens: TokenPartsFragment): void {
    this.#accessToken = tokens.accessToken;
    this.storage.write(tokens.refreshToken);
  }

  /** Call this after `logout`. */
  forget(): void {
    this.#accessToken = null;
    this.storage.write(null);
  }

  /** The access token to send; null if nobody is signed in. */
  async accessToken(): Promise<string | null> {
    return this.#accessToken ?? this.renew(null);
  }

  /**
   * A token to replace one that the server refused; null if the session has ended. Concurrent calls
   * share one refresh. Rejects if the server does not respond; the session is then unchanged.
   */
  async renew(refused: string | null): Promise<string | null> {
    if (this.#accessToken !== null && this.#accessToken !== refused) {
      return this.#accessToken;
    }
    this.#renewing ??= this.#exchange().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #exchange(): Promise<string | null> {
    const refreshToken = this.storage.read();
    if (refreshToken === null) {
      return null;
    }
    this.#accessToken = null;
    const { session, errors } = await this.#refresh(refreshToken);
    if (this.storage.read() !== refreshToken) {
      // Someone signed in or out in the meantime, or another tab refreshed: use that result.
      return this.#accessToken ?? this.#exchange();
    }
    if (session !== null) {
      this.begin(session);
      return session.accessToken;
    }
    if (errors.some(({ code }) => code === "INVALID_TOKEN")) {
      this.forget();
      this.onEnded();
      return null;
    }
    throw new Error(errors[0]?.message ?? "The session could not be refreshed.");
  }

  // Not through the client, whose requests wait for this one.
  async #refresh(refreshToken: string): Promise<RefreshSessionMutation["refreshSession"]> {
    const response = await fetch(this.url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({
        query: print(RefreshSessionDocument),
        operationName: "RefreshSession",
        variables: { input: { refreshToken } },
      }),
    });
    const answer: { data?: RefreshSessionMutation | null } = await response.json();
    if (!answer.data) {
      throw new Error(`The session could not be refreshed: status ${response.status}.`);
    }
    return answer.data.refreshSession;
  }
}
