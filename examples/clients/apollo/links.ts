import { ApolloLink, CombinedGraphQLErrors, HttpLink, ServerError } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { ErrorLink } from "@apollo/client/link/error";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { OperationTypeNode } from "graphql";
import { from, map, switchMap, throwError } from "rxjs";

import type { Session } from "../session";

/** The links of an operation, in order. */
export function createLink(url: string, session: Session): ApolloLink {
  return ApolloLink.from([
    refreshLink(session),
    authLink(session),
    nobodyLink,
    persistedLink(),
    new HttpLink({ uri: url }),
  ]);
}

/** Refreshes the session and repeats a request, once, when the access token is no longer valid. */
function refreshLink(session: Session): ApolloLink {
  return new ErrorLink(({ error, operation, forward }) => {
    const { accessToken, isRepeated } = operation.getContext();
    if (!isUnauthenticated(error) || accessToken === undefined || isRepeated) {
      return;
    }
    operation.setContext({ isRepeated: true });
    return from(session.renew(accessToken)).pipe(
      switchMap((renewed) =>
        renewed === null ? throwError(() => error) : forward(operation),
      ),
    );
  });
}

function isUnauthenticated(error: unknown): boolean {
  return CombinedGraphQLErrors.is(error)
    ? error.errors.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED")
    : ServerError.is(error) && error.statusCode === 401;
}

/** Adds the access token to requests. */
function authLink(session: Session): ApolloLink {
  return new SetContextLink(async ({ headers }) => {
    const accessToken = await session.accessToken();
    return accessToken === null
      ? {}
      : { accessToken, headers: { ...headers, authorization: `Bearer ${accessToken}` } };
  });
}

// Public fields are answered even when the token is no longer valid. With `me` alone, a null `me` is
// the only sign of it.
const nobodyLink = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    map((result) =>
      "data" in result &&
      result.data?.me === null &&
      operation.getContext().accessToken !== undefined
        ? { errors: [{ message: "Log in first.", extensions: { code: "UNAUTHENTICATED" } }] }
        : result,
    ),
  ),
);

// Queries are sent by GET as a hash; the full text is only sent if the server does not know it. URLs
// are logged by proxies, so queries with a token from a mail use POST, as mutations do.
function persistedLink(): ApolloLink {
  return ApolloLink.split(
    ({ operationType, variables }) =>
      operationType === OperationTypeNode.QUERY && !("token" in variables),
    new PersistedQueryLink({ sha256, useGETForHashedQueries: true }),
  );
}

async function sha256(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
