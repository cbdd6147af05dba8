import type { CodegenConfig } from "@graphql-codegen/cli";

// `npx graphql-codegen` writes gen/ (a typed document for every operation) and possibleTypes.json.
const config: CodegenConfig = {
  schema: process.env.GATELODGE_SCHEMA ?? "http://localhost:8000/graphql",
  documents: "operations/*.graphql",
  generates: {
    "gen/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        enumsAsTypes: true,
        strictScalars: true,
        scalars: { DateTime: "string", ID: "string" },
        // Apollo Client adds __typename everywhere except at the root.
        nonOptionalTypename: true,
        skipTypeNameForRoot: true,
        useTypeImports: true,
      },
    },
    "possibleTypes.json": {
      plugins: ["fragment-matcher"],
      config: { useExplicitTyping: true },
    },
  },
};

export default config;
