import { ServerError } from "@apollo/client";
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ChangePasswordDocument,
  LoginDocument,
  LogoutDocument,
  MeDocument,
  RequestLoginCodeDocument,
  RevokeOtherSessionsDocument,
  SessionsDocument,
  VerifyLoginCodeDocument,
} from "kit/gen/graphql";
import { fromFailure, outcome } from "kit/problems";
import { App, done, useServer, useWire } from "./support";

const world = useServer();
const wire = useWire();

const refreshes = () => wire.filter(({ body }) => body?.operationName === "RefreshSession");
const statuses = () => wire.map(({ status }) => status);

// The documents of the kit lead from a stranger to a signed-in account, by each way in.
test("signs up by code, signs in by code and by password", async () => {
  const app = new App(world.server);
  const email = "ada@example.com";
  await app.signUp(email, "Ada");
  const me = await app.client.query({ query: MeDocument });
  assert.equal(me.data?.me?.name, "Ada");
  assert.equal(me.data?.me?.emailVerified, true);
  const newPassword = "a long enough secret";
  await done(
    app.client.mutate({ mutation: ChangePasswordDocument, variables: { input: { newPassword } } }),
  );

  const byCode = new App(world.server);
  await done(
    byCode.client.mutate({ mutation: RequestLoginCodeDocument, variables: { input: { email } } }),
  );
  const code = await world.server.code(email, "login_code");
  const answer = await done(
    byCode.client.mutate({
      mutation: VerifyLoginCodeDocument,
      variables: { input: { email, code } },
    }),
  );
  assert.equal(answer.session?.user.id, me.data?.me?.id);

  const byPassword = new App(world.server);
  const login = await done(
    byPassword.client.mutate({
      mutation: LoginDocument,
      variables: { input: { email, password: newPassword } },
    }),
  );
  assert.equal(login.session?.user.id, me.data?.me?.id);
});

// A dead access token costs nobody a login: one refresh, and the same operation again.
test("refreshes on UNAUTHENTICATED and repeats the operation", async () => {
  const app = new App(world.server);
  const tokens = await app.signUp("bea@example.com", "Bea");
  app.killAccessToken(tokens);
  wire.length = 0;
  const { data } = await app.client.query({ query: SessionsDocument });
  assert.equal(data?.sessions.length, 1);
  assert.equal(statuses().filter((status) => status === 401).length, 1);
  assert.equal(refreshes().length, 1);
  assert.notEqual(app.storage.read(), tokens.refreshToken);

  app.killAccessToken({ ...tokens, refreshToken: app.storage.read() ?? "" });
  const changed = await done(app.client.mutate({ mutation: RevokeOtherSessionsDocument }));
  assert.deepEqual(changed.endedSessionIds, []);
  assert.equal(refreshes().length, 2);
  assert.equal(app.endings, 0);
});

// A dashboard asks for ten things at once: they wait for one refresh, and none is lost.
test("ten concurrent operations cause one refresh", async () => {
  const app = new App(world.server);
  app.killAccessToken(await app.signUp("cleo@example.com", "Cleo"));
  const asked = Array.from({ length: 10 }, () =>
    app.client.query({
      query: SessionsDocument,
      fetchPolicy: "no-cache",
      context: { queryDeduplication: false },
    }),
  );
  for (const { data } of await Promise.all(asked)) {
    assert.equal(data?.sessions.length, 1);
  }
  assert.equal(statuses().filter((status) => status === 401).length, 10);
  assert.equal(refreshes().length, 1);
});

// Whoever is signed out elsewhere is told once, not ten times.
test("a session revoked elsewhere is reported once", async () => {
  const app = new App(world.server);
  const email = "dora@example.com";
  await app.signUp(email, "Dora");
  const other = new App(world.server);
  await done(
    other.client.mutate({ mutation: RequestLoginCodeDocument, variables: { input: { email } } }),
  );
  const code = await world.server.code(email, "login_code");
  const input = { email, code };
  const login = await done(
    other.client.mutate({ mutation: VerifyLoginCodeDocument, variables: { input } }),
  );
  assert(login.session);
  other.session.begin(login.session);
  await done(other.client.mutate({ mutation: RevokeOtherSessionsDocument }));

  const context = { queryDeduplication: false };
  const asked = Array.from({ length: 10 }, () =>
    app.client.query({ query: SessionsDocument, fetchPolicy: "no-cache", context }),
  );
  for (const answer of await Promise.allSettled(asked)) {
    assert(answer.status === "rejected");
    assert.equal(fromFailure(answer.reason).code, "UNAUTHENTICATED");
  }
  assert.equal(refreshes().length, 1);
  assert.equal(app.endings, 1);
  assert.equal(app.session.isSignedIn, false);
});

// `me` is public: a dead token gets null and no error, which must not look like "signed out".
test("`me` alone is refreshed too", async () => {
  const app = new App(world.server);
  app.killAccessToken(await app.signUp("edda@example.com", "Edda"));
  const { data } = await app.client.query({ query: MeDocument });
  assert.equal(data?.me?.name, "Edda");
  assert.equal(refreshes().length, 1);

  const stranger = new App(world.server);
  const { data: nobody } = await stranger.client.query({ query: MeDocument });
  assert.equal(nobody?.me, null);
  assert.equal(refreshes().length, 1);
});

// The access token is in memory only: a new page of the same browser makes itself one.
test("a reloaded page is still signed in", async () => {
  const page = new App(world.server);
  await page.signUp("fay@example.com", "Fay");
  const reloaded = new App(world.server, page.storage);
  const { data } = await reloaded.client.query({ query: MeDocument });
  assert.equal(data?.me?.name, "Fay");
  assert.equal(refreshes().length, 1);

  await done(reloaded.client.mutate({ mutation: LogoutDocument }));
  reloaded.session.forget();
  await assert.rejects(page.client.query({ query: SessionsDocument }), (error) => {
    return fromFailure(error).code === "UNAUTHENTICATED";
  });
});

// A client that takes plain JSON only gets the status 401, which Apollo throws as a ServerError.
test("the status 401 is enough to refresh", async () => {
  const app = new App(world.server);
  app.killAccessToken(await app.signUp("gina@example.com", "Gina"));
  const context = { headers: { accept: "application/json" } };
  const { data } = await app.client.query({ query: SessionsDocument, context });
  assert.equal(data?.sessions.length, 1);
  assert.equal(refreshes().length, 1);

  const lost = new App(world.server);
  lost.session.begin({
    ...(await app.signUp("gus@example.com", "Gus")),
    accessToken: "dead",
    refreshToken: "dead",
  });
  await assert.rejects(lost.client.query({ query: SessionsDocument, context }), (error) => {
    return ServerError.is(error) && error.statusCode === 401;
  });
  assert.equal(lost.endings, 1);
});

// Being offline is no reason to sign anybody out.
test("an unreachable server leaves the session unchanged", async () => {
  const app = new App(world.server);
  const tokens = await app.signUp("hana@example.com", "Hana");
  const offline = new App({ ...world.server, graphql: "http://127.0.0.1:1/graphql" } as never);
  offline.killAccessToken(tokens);
  const { problems } = await outcome(
    offline.client.mutate({ mutation: RevokeOtherSessionsDocument }),
  );
  assert.deepEqual(problems?.[0].code, "OFFLINE");
  assert.equal(offline.endings, 0);
  assert.equal(offline.storage.read(), tokens.refreshToken);
});

// An answer that comes too late must not sign anybody in again.
test("signing out during a refresh is final", async () => {
  const app = new App(world.server);
  const { accessToken } = await app.signUp("inga@example.com", "Inga");
  const renewing = app.session.renew(accessToken);
  app.session.forget();
  assert.equal(await renewing, null);
  assert.equal(app.session.isSignedIn, false);
  assert.equal(app.endings, 0);
});

// Tabs share the refresh token but no memory: both may use it at once, and neither is signed out.
test("two tabs that refresh at once both stay signed in", async () => {
  const tab = new App(world.server);
  const { accessToken } = await tab.signUp("jana@example.com", "Jana");
  const other = new App(world.server, tab.storage);
  const renewed = await Promise.all([tab.session.renew(accessToken), other.session.renew(null)]);
  assert(renewed.every((token) => token !== null));
  for (const { client, endings } of [tab, other]) {
    const { data } = await client.query({ query: SessionsDocument });
    assert.equal(data?.sessions.length, 1);
    assert.equal(endings, 0);
  }
});
