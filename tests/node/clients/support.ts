import type { ApolloClient } from "@apollo/client";
import assert from "node:assert/strict";
import { after, afterEach, before } from "node:test";

import { createClient } from "kit/apollo/client";
import {
  RequestSignupCodeDocument,
  VerifySignupCodeDocument,
  type TokenPartsFragment,
} from "kit/gen/graphql";
import { outcome, type Outcome } from "kit/problems";
import { Session, type TokenStorage } from "kit/session";
import { startServer } from "../server.mjs";

type Server = Awaited<ReturnType<typeof startServer>>;

/** One server for the tests of a file. */
export function useServer(): { readonly server: Server } {
  let server: Server;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());
  return {
    get server() {
      return server;
    },
  };
}

/** What went over the wire. */
export interface Exchange {
  method: string;
  url: URL;
  /** Absent with GET. */
  body: { operationName?: string; query?: string } | undefined;
  status: number;
}

/** Records what each test sends to `/graphql` by `fetch`; nothing is changed on the way. */
export function useWire(): Exchange[] {
  const exchanges: Exchange[] = [];
  const send = globalThis.fetch;
  before(() => {
    globalThis.fetch = async (input, init) => {
      const response = await send(input, init);
      const url = new URL(String(input));
      if (url.pathname !== "/graphql") {
        return response;
      }
      const body = init?.body;
      exchanges.push({
        method: init?.method ?? "GET",
        url,
        body: typeof body === "string" ? JSON.parse(body) : undefined,
        status: response.status,
      });
      return response;
    };
  });
  afterEach(() => {
    exchanges.length = 0;
  });
  after(() => {
    globalThis.fetch = send;
  });
  return exchanges;
}

/** A browser's storage, for one test. */
export function memoryStorage(): TokenStorage {
  let kept: string | null = null;
  return {
    read: () => kept,
    write: (refreshToken) => {
      kept = refreshToken;
    },
  };
}

/** An application in a browser: its session, its Apollo Client, how often it was signed out. */
export class App {
  endings = 0;
  readonly session: Session;
  readonly client: ApolloClient;

  constructor(
    readonly server: Server,
    readonly storage: TokenStorage = memoryStorage(),
  ) {
    this.session = new Session(server.graphql, storage, () => {
      this.endings += 1;
    });
    this.client = createClient(server.graphql, this.session);
  }

  /** Signs up by code. */
  async signUp(email: string, name: string): Promise<TokenPartsFragment> {
    const { client, server, session } = this;
    await done(
      client.mutate({
        mutation: RequestSignupCodeDocument,
        variables: { input: { email, name } },
      }),
    );
    const code = await server.code(email, "signup_code");
    const payload = await done(
      client.mutate({ mutation: VerifySignupCodeDocument, variables: { input: { email, code } } }),
    );
    assert(payload.session);
    session.begin(payload.session);
    return payload.session;
  }

  /** The access token dies on its way, as one that has expired. */
  killAccessToken(tokens: TokenPartsFragment): void {
    this.session.begin({ ...tokens, accessToken: `${tokens.accessToken}x` });
  }
}

/** The payload of a mutation that must succeed. */
export async function done<Data extends object>(mutation: Promise<{ data?: Data | undefined }>) {
  const { payload, problems } = await outcome(mutation);
  assert.deepEqual(problems, null);
  assert(payload);
  return payload;
}

/** What is wrong with a mutation that must fail. */
export async function problem<Data extends object>(mutation: Promise<{ data?: Data | undefined }>) {
  const { problems }: Outcome<Data> = await outcome(mutation);
  assert.equal(problems?.length, 1);
  return problems[0];
}
