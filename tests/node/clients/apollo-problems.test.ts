import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CreateTeamDocument,
  MeDocument,
  RequestSignupCodeDocument,
  ServerInfoDocument,
  VerifySignupCodeDocument,
} from "kit/gen/graphql";
import { fromFailure } from "kit/problems";
import { startServer } from "../server.mjs";
import { App, done, problem, useServer } from "./support";

const world = useServer();

// What a person can mend arrives at the field it is about, with the facts a form shows.
test("an error that the user can correct has a code, a field and details", async () => {
  const { client, server } = new App(world.server);
  const ask = (email: string, name: string) =>
    client.mutate({ mutation: RequestSignupCodeDocument, variables: { input: { email, name } } });
  const noAddress = await problem(ask("nobody", "Nobody"));
  assert.deepEqual([noAddress.code, noAddress.field], ["INVALID_EMAIL", "email"]);

  await done(ask("ida@example.com", "Ida"));
  const code = await server.code("ida@example.com", "signup_code");
  const wrong = { email: "ida@example.com", code: code === "000000" ? "000001" : "000000" };
  const verify = { mutation: VerifySignupCodeDocument, variables: { input: wrong } };
  const first = await problem(client.mutate(verify));
  const second = await problem(client.mutate(verify));
  assert.equal(first.code, "INVALID_CODE");
  assert.equal(first.field, "code");
  assert.equal(first.attemptsRemaining, 4);
  assert.equal(second.attemptsRemaining, 3);
});

// A countdown needs a number of seconds.
test("RATE_LIMITED says when to try again", async () => {
  const limited = await startServer({ MAX_CODE_REQUESTS_PER_HOUR: "1" });
  try {
    const { client } = new App(limited);
    const input = { email: "jo@example.com", name: "Jo" };
    const ask = () =>
      client.mutate({ mutation: RequestSignupCodeDocument, variables: { input } });
    await done(ask());
    const { code, retryAfterSeconds } = await problem(ask());
    assert.equal(code, "RATE_LIMITED");
    assert(retryAfterSeconds !== undefined && retryAfterSeconds > 0 && retryAfterSeconds <= 3600);
  } finally {
    await limited.stop();
  }
});

// What is exceptional comes with the id an operator can find in the log; a stranger is told so.
test("a server error has a code and the request ID", async () => {
  const { client } = new App(world.server);
  const stranger = await problem(
    client.mutate({ mutation: CreateTeamDocument, variables: { input: { name: "Nobody's" } } }),
  );
  assert.equal(stranger.code, "UNAUTHENTICATED");
  assert.match(stranger.requestId ?? "", /^[0-9a-f-]{36}$/);

  const badInput = { name: 1 } as unknown as { name: string };
  const malformed = await problem(
    client.mutate({ mutation: CreateTeamDocument, variables: { input: badInput } }),
  );
  assert.equal(malformed.code, "INTERNAL");
  assert.match(malformed.requestId ?? "", /^[0-9a-f-]{36}$/);
});

// Forms are drawn from what the server says, also by whoever is not signed in.
test("forms get what they need without signing in", async () => {
  const { client } = new App(world.server);
  const { data } = await client.query({ query: ServerInfoDocument });
  assert.deepEqual([data?.serverInfo.codeLength, data?.serverInfo.codeType], [6, "NUMERIC"]);
  const me = await client.query({ query: MeDocument });
  assert.equal(me.data?.me, null);
});

// A proxy's error page is not taken for an answer of the server.
test("a response that is not GraphQL is reported by its status", async () => {
  const lost = new App({ ...world.server, graphql: `${world.server.url}/nowhere` } as never);
  await assert.rejects(lost.client.query({ query: MeDocument }), (error) => {
    return fromFailure(error).message === "The server answered 404.";
  });
});
