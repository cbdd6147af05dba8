import assert from "node:assert/strict";
import { test } from "node:test";

import {
  InvitationDocument,
  RequestLoginCodeDocument,
  ServerInfoDocument,
  SessionsDocument,
} from "kit/gen/graphql";
import { App, problem, useServer, useWire } from "./support";

const world = useServer();
const wire = useWire();

/** How each document went: in the address or in the body, as a hash or as text too. */
const ways = () =>
  wire.map(({ method, url, body }) => {
    const sent = body ?? Object.fromEntries(url.searchParams);
    return `${method} ${sent.query === undefined ? "hash" : "text"}`;
  });

// A document crosses the wire once, whoever sent it; from then on its hash is enough.
test("a query that the server knows is sent by GET as its hash", async () => {
  const { data } = await new App(world.server).client.query({ query: ServerInfoDocument });
  assert.equal(data?.serverInfo.codeLength, 6);
  assert.deepEqual(ways(), ["GET hash", "POST text"]);

  wire.length = 0;
  const other = await new App(world.server).client.query({ query: ServerInfoDocument });
  assert.equal(other.data?.serverInfo.codeLength, 6);
  assert.deepEqual(ways(), ["GET hash"]);
});

// A hash is no way around the token, and is repeated after a refresh like any other operation.
test("a hash is rejected and retried like a document", async () => {
  const app = new App(world.server);
  const tokens = await app.signUp("petra@example.com", "Petra");
  await app.client.query({ query: SessionsDocument });
  app.killAccessToken(tokens);
  wire.length = 0;
  const query = { query: SessionsDocument, fetchPolicy: "no-cache" as const };
  const { data } = await app.client.query(query);
  assert.equal(data?.sessions.length, 1);
  assert.deepEqual(ways(), ["GET hash", "POST text", "GET hash"]);
  assert.deepEqual(
    wire.map(({ status }) => status),
    [401, 200, 200],
  );
});

// What is in an address is in every log on the way: no mailed token, nothing that changes anything.
test("secrets and mutations are sent in bodies", async () => {
  const { client } = new App(world.server);
  const variables = { token: "of-a-mailed-link" };
  await client.query({ query: InvitationDocument, variables });
  await problem(
    client.mutate({
      mutation: RequestLoginCodeDocument,
      variables: { input: { email: "nobody@example.com" } },
    }),
  );
  assert.deepEqual(ways(), ["POST text", "POST text"]);
});
