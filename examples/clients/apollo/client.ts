import { ApolloClient, InMemoryCache } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";

import generated from "../possibleTypes.json";
import type { Session } from "../session";
import { createLink } from "./links";

/** An Apollo Client that sends what it asks in the name of whoever is signed in. */
export function createClient(url: string, session: Session): ApolloClient {
  return new ApolloClient({ link: createLink(url, session), cache: createCache() });
}

// Everything with an `id` is kept under `Type:id`, which is Apollo's default.
function createCache(): InMemoryCache {
  return new InMemoryCache({
    possibleTypes: generated.possibleTypes,
    typePolicies: {
      Query: {
        fields: {
          teams: relayStylePagination(),
          // A team that a list brought need not be asked for again.
          team: {
            read: (known, { args, toReference }) =>
              known === undefined ? toReference({ __typename: "Team", id: args?.id }) : known,
          },
        },
      },
      Team: {
        fields: { members: relayStylePagination(), invitations: relayStylePagination() },
      },
    },
  });
}
