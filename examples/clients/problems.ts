import { CombinedGraphQLErrors, ServerError } from "@apollo/client";

import type { ErrorCode, ErrorPartsFragment } from "./gen/graphql";

/** Whatever went wrong, in the one form that a page has to know. */
export interface Problem {
  /** What the schema knows, or: no answer, nobody signed in, anything else. */
  code: ErrorCode | "OFFLINE" | "UNAUTHENTICATED" | "INTERNAL";
  message: string;
  /** The input to show it at, such as `email`; null: show it above the form. */
  field: string | null;
  attemptsRemaining?: number;
  retryAfterSeconds?: number;
  /** What to tell the operator. */
  requestId?: string;
}

/** The payload of a mutation's one field. */
type Payload<Data> = Data[keyof Data];

export type Outcome<Data> =
  | { payload: Payload<Data>; problems: null }
  | { payload: null; problems: [Problem, ...Problem[]] };

/**
 * Waits for a mutation: its payload if it was done, else what is wrong. Never rejects.
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

/** A mistake that a person can mend. */
export function fromPayload({ __typename, field, ...facts }: ErrorPartsFragment): Problem {
  return { ...facts, field: field?.at(-1) ?? null };
}

/** What Apollo Client throws, or has as `error`. */
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
