/**
 * What the compliance suites are written with. A suite is a list of cases; a case gets a fresh
 * fixture and throws if the port does not do what it promises. No test framework, no platform.
 */
import { toHex } from "../bytes.ts";
import { OperationError } from "../errors.ts";

export interface ComplianceCase<Fixture> {
  readonly name: string;
  /** Throws a {@link ComplianceError} if the port breaks its promise. */
  readonly run: (fixture: Fixture) => Promise<void>;
}

export class ComplianceError extends Error {
  override readonly name = "ComplianceError";
}

export function check(condition: boolean, promise: string): asserts condition {
  if (!condition) throw new ComplianceError(promise);
}

const show = (value: unknown): string =>
  value instanceof Uint8Array
    ? `bytes ${toHex(value)}`
    : typeof value === "bigint"
      ? `${value}n`
      : Array.isArray(value)
        ? `[${value.map(show).join(", ")}]`
        : typeof value === "object" && value !== null
          ? `{${Object.entries(value)
              .map(([key, item]) => `${key}: ${show(item)}`)
              .join(", ")}}`
          : (JSON.stringify(value) ?? String(value));

/** Plain data, bytes and bigints, compared as a whole. */
export const checkEqual = (actual: unknown, expected: unknown, promise: string): void => {
  const [is, should] = [show(actual), show(expected)];
  check(is === should, `${promise}: expected ${should}, got ${is}`);
};

export const rejectionOf = async (work: Promise<unknown>, promise: string): Promise<unknown> => {
  let rejected = false;
  let reason: unknown;
  try {
    await work;
  } catch (error) {
    rejected = true;
    reason = error;
  }
  check(rejected, `${promise}: nothing was rejected`);
  return reason;
};

/** The work rejects with an OperationError of this code. */
export const checkFails = async (
  work: Promise<unknown>,
  code: `E_${string}`,
  promise: string,
): Promise<void> => {
  const reason = await rejectionOf(work, promise);
  check(
    reason instanceof OperationError && reason.code === code,
    `${promise}: expected ${code}, got ${String(reason)}`,
  );
};
