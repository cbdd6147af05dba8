import { CombinedGraphQLErrors, ServerError } from "@apollo/client";

import type { ErrorCode, ErrorPartsFragment } from "./gen/graphql";

/** Any failure, in one form for pages to handle. */
export interface Problem {
  /** A code of the schema; or no response, not signed in, or anything else. */
  code: ErrorCode | "OFFLINE" | "UNAUTHENTICATED" | "INTERNAL";
  message: string;
  /** The input field that it concerns, such as `email`; null: show it above the form. */
  field: string | null;
  attemptsRemaining?: number;
  retryAfterSeconds?: number;
  /** Identifies the request to the operator. */
  requestId?: string;
}

/** The payload of a mutation with one field. */
type Payload<Data> = Data[keyof Data];

export type Outcome<Data> =
  | { payload: Payload<Data>; problems: null }
  | { payload: null; problems: [Problem, ...Problem[]] };

/**
 * Waits for a mutation. Resolves to its payload or to its problems; never rejects.
 *
 * ```ts
 * const { payload, problems } = await outcome(client.mutate({ mutation: LoginDocument, variables }));
 * ```
 */
export async function outcome<Data extends object>(
  mutation: Promise<{ data?: Data | undefined }>,
): Promise<Outcome<Data>> {
  try {
    const { data } = await mutation;
    const payload = Object.values(data ?? {})[0] as
      | (Payload<Data> & { errors: ErrorPartsFragment[] })
      | undefined;
    if (payload === undefined) {
      throw new Error("The answer is empty.");
    }
    const [first, ...others] = payload.errors.map(fromPayload);
    return first === undefined
      ? { payload, problems: null }
      : { payload: null, problems: [first, ...others] };
  } catch (error) {
    return { payload: null, problems: [fromFailure(error)] };
  }
}

/** An error that the user can correct. */
export function fromPayload({ __typename, field, ...facts }: ErrorPartsFragment): Problem {
  return { ...facts, field: field?.at(-1) ?? null };
}

/** An error that Apollo Client throws or reports as `error`. */
export function fromFailure(error: unknown): Problem {
  const field = null;
  if (CombinedGraphQLErrors.is(error)) {
    const [{ message, extensions } = { message: "Unknown error." }] = error.errors;
    const requestId = extensions?.requestId;
    return {
      code: extensions?.code === "UNAUTHENTICATED" ? "UNAUTHENTICATED" : "INTERNAL",
      message,
      field,
      ...(typeof requestId === "string" ? { requestId } : {}),
    };
  }
  if (ServerError.is(error)) {
    return { code: "INTERNAL", message: `The server answered ${error.statusCode}.`, field };
  }
  return { code: "OFFLINE", message: "The server cannot be reached.", field };
}
