// One GraphQL request over HTTP.

const PATIENCE_MILLISECONDS = 15_000;

/** A request without an answer, or with an error that the user cannot correct. */
export class RequestFailed extends Error {
  /**
   * `code` is the `extensions.code` of the response, or UNREACHABLE without a response; `requestId`
   * identifies the request in the server's logs.
   */
  constructor(code, requestId = null) {
    super(code);
    this.code = code;
    this.requestId = requestId;
  }
}

/** Sends a document. Returns `data` or throws RequestFailed. */
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
    // No connection, a timeout, or an error page of a proxy.
    throw new RequestFailed("UNREACHABLE");
  }
}
