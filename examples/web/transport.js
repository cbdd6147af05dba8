// One GraphQL request over HTTP.

const PATIENCE_MILLISECONDS = 15_000;

/** A request that was not answered, or with an error that no person can mend. */
export class RequestFailed extends Error {
  /**
   * `code` is the `extensions.code` of the answer, or UNREACHABLE without one; `requestId` is what
   * an operator finds the request by.
   */
  constructor(code, requestId = null) {
    super(code);
    this.code = code;
    this.requestId = requestId;
  }
}

/** Sends a document; its `data`, or a RequestFailed. */
export async function post(query, variables, accessToken) {
  const headers = { "content-type": "application/json", accept: "application/graphql-response+json" };
  if (accessToken !== null) {
    headers.authorization = `Bearer ${accessToken}`;
  }
  const { data, errors } = await answer({
    method: "POST",
    headers,
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(PATIENCE_MILLISECONDS),
  });
  if (errors !== undefined) {
    const { code, requestId } = errors[0].extensions ?? {};
    throw new RequestFailed(code ?? "INTERNAL", requestId);
  }
  return data;
}

async function answer(request) {
  try {
    const response = await fetch("/graphql", request);
    return await response.json();
  } catch {
    // No connection, no answer in time, or a page of some proxy instead of one.
    throw new RequestFailed("UNREACHABLE");
  }
}
