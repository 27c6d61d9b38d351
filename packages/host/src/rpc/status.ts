/**
 * How a call ended, on either transport: the status codes of gRPC, and beside them the code and the
 * next step of an `OperationError`, so that a rejection keeps its name across processes.
 */
import { OperationError } from "@ioi/base";

/** Status codes of gRPC. */
export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

const codeOfStatus: Readonly<Record<number, `E_${string}`>> = {
  [grpcStatus.cancelled]: "E_RPC_CANCELLED",
  [grpcStatus.deadlineExceeded]: "E_RPC_DEADLINE",
  [grpcStatus.resourceExhausted]: "E_RPC_TOO_LARGE",
  [grpcStatus.unimplemented]: "E_RPC_UNKNOWN_METHOD",
  [grpcStatus.internal]: "E_RPC_INTERNAL",
  [grpcStatus.unknown]: "E_RPC_INTERNAL",
  [grpcStatus.invalidArgument]: "E_RPC_MALFORMED",
  [grpcStatus.unavailable]: "E_RPC_UNAVAILABLE",
};

const retryable = new Set<number>([grpcStatus.unavailable, grpcStatus.deadlineExceeded]);

/** The error a caller sees for a status that is not OK. */
export const errorOfStatus = (
  status: number,
  message: string,
  ioiCode: string | undefined,
  next: string | undefined,
): OperationError => {
  const code =
    ioiCode !== undefined && /^E_[A-Z0-9_]{1,60}$/.test(ioiCode)
      ? (ioiCode as `E_${string}`)
      : (codeOfStatus[status] ?? "E_RPC_INTERNAL");
  return new OperationError(code, message, {
    retryable: retryable.has(status),
    ...(next === undefined ? {} : { next }),
  });
};

export interface StatusLine {
  readonly status: number;
  readonly message: string;
  readonly code?: string;
  readonly next?: string;
}

/** What a foreign client should make of a code; a failed precondition where nothing else fits. */
const statusOfCode: ReadonlyMap<string, number> = new Map([
  ["E_RPC_MALFORMED", grpcStatus.invalidArgument],
  ["E_RPC_TOO_LARGE", grpcStatus.resourceExhausted],
  ["E_PEER_LIMIT", grpcStatus.resourceExhausted],
  ["E_CHAIN_NO_BLOCK", grpcStatus.notFound],
  ["E_STATE_VERSION", grpcStatus.notFound],
]);

/** What a handler's failure becomes on the wire. A bug keeps its text at home. */
export const statusOfError = (error: unknown): StatusLine => {
  if (error instanceof OperationError) {
    const { message, code, next } = error;
    return {
      status: statusOfCode.get(code) ?? grpcStatus.failedPrecondition,
      message,
      code,
      ...(next === undefined ? {} : { next }),
    };
  }
  return { status: grpcStatus.internal, message: "internal error" };
};
