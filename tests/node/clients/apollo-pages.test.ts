import assert from "node:assert/strict";
import { test } from "node:test";

import {
  CreateTeamDocument,
  InviteToTeamDocument,
  TeamDocument,
  TeamMembersDocument,
  TeamsDocument,
  UpdateTeamDocument,
} from "kit/gen/graphql";
import { eventually } from "../server.mjs";
import { App, done, problem, useServer, useWire } from "./support";

const world = useServer();
const wire = useWire();

/** A signed-in account with a team of its own. */
async function withTeam(email: string): Promise<{ app: App; id: string }> {
  const app = new App(world.server);
  await app.signUp(email, "Owner");
  const input = { name: "Red", description: "The first" };
  const { team } = await done(
    app.client.mutate({ mutation: CreateTeamDocument, variables: { input } }),
  );
  assert(team);
  return { app, id: team.id };
}

// `relayStylePagination` puts pages together: each member once, in the order of joining.
test("three pages of members become one list", async () => {
  const { app, id } = await withTeam("owner@example.com");
  const emails = Array.from({ length: 6 }, (_, index) => `member${index}@example.com`);
  for (const email of emails) {
    await new App(world.server).signUp(email, email);
    const input = { teamId: id, email, role: "MEMBER" as const };
    const { membership } = await done(
      app.client.mutate({ mutation: InviteToTeamDocument, variables: { input } }),
    );
    assert.equal(membership?.user.email, email);
  }

  const members = app.client.watchQuery({
    query: TeamMembersDocument,
    variables: { id, first: 3 },
  });
  const subscription = members.subscribe({});
  const list = (length: number) =>
    eventually(`${length} members`, () => {
      const result = members.getCurrentResult();
      const list = result.dataState === "complete" ? result.data.team?.members : undefined;
      return list?.edges.length === length ? list : undefined;
    });
  for (const length of [3, 6]) {
    const { pageInfo } = await list(length);
    assert.equal(pageInfo.hasNextPage, true);
    await members.fetchMore({ variables: { after: pageInfo.endCursor } });
  }
  const { edges, pageInfo, totalCount } = await list(7);
  assert.equal(pageInfo.hasNextPage, false);
  assert.equal(totalCount, 7);
  assert.deepEqual(
    edges.map(({ node }) => node.user.email),
    ["owner@example.com", ...emails],
  );
  subscription.unsubscribe();
});

// A list brought the team: its own page asks for nothing.
test("a team from the list is not fetched again", async () => {
  const { app, id } = await withTeam("kim@example.com");
  await app.client.clearStore();
  const { data } = await app.client.query({ query: TeamsDocument });
  assert.equal(data?.teams.edges[0]?.node.team.id, id);
  wire.length = 0;
  const { data: page } = await app.client.query({ query: TeamDocument, variables: { id } });
  assert.equal(page?.team?.name, "Red");
  assert.equal(wire.length, 0);
});

// Objects are kept by `id`: a new name is seen wherever the team is, at once, and for good once
// the server has said so.
test("a rename is shown before the server answers", async () => {
  const { app, id } = await withTeam("lea@example.com");
  const names = await watchNames(app, id);
  await done(
    app.client.mutate({
      mutation: UpdateTeamDocument,
      variables: { input: { teamId: id, name: "Blue" } },
      optimisticResponse: renamed(id, "Blue?"),
    }),
  );
  assert.deepEqual(names.seen, ["Red", "Blue?", "Blue"]);
  names.stop();
});

// What the server refuses is undone by Apollo: the payload holds no team, so nothing was renamed.
test("a rejected rename is rolled back", async () => {
  const { app, id } = await withTeam("mia@example.com");
  const names = await watchNames(app, id);
  const { code, field } = await problem(
    app.client.mutate({
      mutation: UpdateTeamDocument,
      variables: { input: { teamId: id, name: " " } },
      optimisticResponse: renamed(id, "Nothing?"),
    }),
  );
  assert.deepEqual([code, field], ["INVALID_NAME", "name"]);
  assert.deepEqual(names.seen, ["Red", "Nothing?", "Red"]);
  names.stop();
});

function renamed(id: string, name: string) {
  return {
    updateTeam: {
      __typename: "UpdateTeamPayload" as const,
      team: {
        __typename: "Team" as const,
        id,
        name,
        description: "The first",
        viewerRole: "ADMIN" as const,
      },
      errors: [],
    },
  };
}

/** The names under which the list of teams shows the team, one after the other. */
async function watchNames(app: App, id: string) {
  const seen: string[] = [];
  await app.client.query({ query: TeamsDocument });
  const subscription = app.client.watchQuery({ query: TeamsDocument }).subscribe(({ data }) => {
    const edge = data?.teams?.edges?.find((edge) => edge?.node?.team?.id === id);
    const name = edge?.node?.team?.name;
    if (name !== undefined && name !== seen.at(-1)) {
      seen.push(name);
    }
  });
  return { seen, stop: () => subscription.unsubscribe() };
}
