// The operations of the kit and the schema itself, by graphql-eslint's own recommendations.
// Runs at the root of the repository.
import graphql from "@graphql-eslint/eslint-plugin";

const graphQLConfig = {
  schema: "schema.graphql",
  documents: "examples/clients/operations/*.graphql",
};
const shared = {
  plugins: { "@graphql-eslint": graphql },
  languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig } },
};

export default [
  {
    ...shared,
    files: [graphQLConfig.documents],
    rules: graphql.configs["flat/operations-recommended"].rules,
  },
  {
    ...shared,
    files: [graphQLConfig.schema],
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      // The file is printed by the server, which takes one line where one is enough.
      "@graphql-eslint/description-style": "off",
      // What has no life of its own has no id: answers, places in a list, mistakes, and
      // - AuthSession: tokens; an id would have clients keep them in their caches,
      // - CodeChallenge, InvitationPreview: shown to strangers, who are to learn no ids,
      // - PageInfo: named and shaped by Relay,
      // - ServerInfo: there is one.
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          exceptions: {
            suffixes: ["Payload", "Connection", "Edge", "Error"],
            types: ["AuthSession", "CodeChallenge", "InvitationPreview", "PageInfo", "ServerInfo"],
          },
        },
      ],
    },
  },
];
