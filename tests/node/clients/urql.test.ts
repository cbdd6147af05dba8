import { Client, fetchExchange } from "@urql/core";
import { authExchange } from "@urql/exchange-auth";
import assert from "node:assert/strict";
import { test } from "node:test";

import { CreateTeamDocument, SessionsDocument } from "kit/gen/graphql";
import { App, useServer, useWire } from "./support";

const world = useServer();
const wire = useWire();

// The kit's documents and session serve urql too, by its own exchange for logins.
test("urql refreshes an expired token and repeats the operation", async () => {
  const app = new App(world.server);
  const { session } = app;
  app.killAccessToken(await app.signUp("nora@example.com", "Nora"));
  const client = new Client({
    url: world.server.graphql,
    preferGetMethod: true,
    exchanges: [
      authExchange(async ({ appendHeaders }) => {
        let accessToken = await session.accessToken();
        return {
          addAuthToOperation: (operation) =>
            accessToken === null
              ? operation
              : appendHeaders(operation, { authorization: `Bearer ${accessToken}` }),
          didAuthError: ({ graphQLErrors }) =>
            graphQLErrors.some(({ extensions }) => extensions.code === "UNAUTHENTICATED"),
          refreshAuth: async () => {
            accessToken = await session.renew(accessToken);
          },
        };
      }),
      fetchExchange,
    ],
  });
  wire.length = 0;
  const { data, error } = await client.query(SessionsDocument, {}).toPromise();
  assert.equal(error, undefined);
  assert.equal(data?.sessions.length, 1);
  assert.deepEqual(
    wire.map(({ method, status }) => `${method} ${status}`),
    ["GET 401", "POST 200", "GET 200"],
  );

  const input = { name: "Green" };
  const made = await client.mutation(CreateTeamDocument, { input }).toPromise();
  assert.equal(made.data?.createTeam.team?.name, "Green");
  const refused = await client.mutation(CreateTeamDocument, { input: { name: "" } }).toPromise();
  assert.equal(refused.data?.createTeam.errors[0]?.code, "INVALID_NAME");
});
