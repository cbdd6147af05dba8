// Does what a client developer does: copies the kit, generates its types from the schema, checks
// them, and bundles the tests that use it into build/.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

const run = promisify(execFile);

const NODE = fileURLToPath(new URL("..", import.meta.url));
const REPOSITORY = join(NODE, "../..");
const TESTS = join(NODE, "clients");
const BUILD = join(NODE, "build");
const KIT = join(BUILD, "kit");

async function tool(name, args, options) {
  try {
    await run(join(NODE, "node_modules/.bin", name), args, options);
  } catch (error) {
    throw new Error(`${name} ${args.join(" ")}\n${error.stdout}${error.stderr}`);
  }
}

await rm(BUILD, { recursive: true, force: true });
await mkdir(BUILD);
await cp(join(REPOSITORY, "examples/clients"), KIT, { recursive: true });
await tool("graphql-codegen", [], {
  cwd: KIT,
  env: { ...process.env, GATELODGE_SCHEMA: join(REPOSITORY, "schema.graphql") },
});
const possibleTypes = (directory) => readFile(join(directory, "possibleTypes.json"), "utf8");
assert.equal(
  await possibleTypes(join(REPOSITORY, "examples/clients")),
  await possibleTypes(KIT),
  "examples/clients/possibleTypes.json is stale: run graphql-codegen there",
);
await tool("tsc", ["--project", TESTS], {});
const files = await readdir(TESTS);
await build({
  entryPoints: files.filter((file) => file.endsWith(".test.ts")).map((file) => join(TESTS, file)),
  outdir: BUILD,
  outExtension: { ".js": ".mjs" },
  tsconfig: join(TESTS, "tsconfig.json"),
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  external: ["../server.mjs"],
  sourcemap: "inline",
  logLevel: "warning",
});
