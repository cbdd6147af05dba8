import assert from "node:assert/strict";
import { test } from "node:test";

import { MeDocument, ServerInfoDocument } from "kit/gen/graphql";
import { App, useServer, useWire } from "./support";

const world = useServer();
const wire = useWire();

// A server that keeps no documents says so, and Apollo goes on without.
test("without persisted queries every document is sent as it is", async () => {
  const { client } = new App(world.server);
  const first = await client.query({ query: ServerInfoDocument });
  assert.equal(first.data?.serverInfo.codeLength, 6);
  const second = await client.query({ query: MeDocument });
  assert.equal(second.data?.me, null);
  assert.deepEqual(
    wire.map(({ method }) => method),
    ["GET", "POST", "POST"],
  );
});
