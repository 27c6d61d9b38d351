/**
 * Expected rejections as values. A function that judges hostile input returns a `Result`; it never
 * throws for it. Bugs throw {@link InvariantError}; failures of the world throw `OperationError`.
 */

export type Result<T, E> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E };

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

export const err = <E>(error: E): { readonly ok: false; readonly error: E } => ({
  ok: false,
  error,
});

/** The value of a result that cannot be an error here; an error is a bug. */
export const unwrap = <T, E>(result: Result<T, E>, what: string): T => {
  if (result.ok) return result.value;
  throw new InvariantError(`${what}: ${JSON.stringify(result.error)}`);
};

/** A bug: the process ends. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Unreachable branches of an exhaustive switch. */
export const unreachable = (value: never): never => {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
};
