import { ClientError, GraphQLClient } from "graphql-request";
import assert from "node:assert/strict";
import { test } from "node:test";

import { CreateTeamDocument, SessionsDocument } from "kit/gen/graphql";
import { App, useServer } from "./support";

const world = useServer();

// The simplest of clients: a header, a document, an answer; 401 is a ClientError with the reason.
test("graphql-request sends typed documents with a token", async () => {
  const app = new App(world.server);
  const tokens = await app.signUp("olga@example.com", "Olga");
  const client = new GraphQLClient(world.server.graphql, {
    headers: { authorization: `Bearer ${tokens.accessToken}` },
  });
  const { createTeam } = await client.request(CreateTeamDocument, { input: { name: "Grey" } });
  assert.equal(createTeam.team?.name, "Grey");
  const { sessions } = await client.request(SessionsDocument);
  assert.equal(sessions.length, 1);

  client.setHeader("authorization", "Bearer dead");
  await assert.rejects(client.request(SessionsDocument), (error) => {
    assert(error instanceof ClientError);
    assert.equal(error.response.status, 401);
    assert.equal(error.response.errors?.[0]?.extensions.reason, "INVALID");
    return true;
  });
  const renewed = await app.session.renew(tokens.accessToken);
  client.setHeader("authorization", `Bearer ${renewed}`);
  assert.equal((await client.request(SessionsDocument)).sessions.length, 1);
});
