import { ApolloClient, InMemoryCache } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";

import generated from "../possibleTypes.json";
import type { Session } from "../session";
import { createLink } from "./links";

/** An Apollo Client that sends requests with the session's token. */
export function createClient(url: string, session: Session): ApolloClient {
  return new ApolloClient({ link: createLink(url, session), cache: createCache() });
}

// Objects with an `id` are cached under `Type:id`, which is Apollo's default.
function createCache(): InMemoryCache {
  return new InMemoryCache({
    possibleTypes: generated.possibleTypes,
    typePolicies: {
      Query: {
        fields: {
          teams: relayStylePagination(),
          // A team that came with a list need not be fetched again.
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
