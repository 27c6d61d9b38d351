/** Refusals of the Guardian's own, and how a stranger's text stands in them. */
import { OperationError, utf8Decode, utf8Encode } from "@ioi/base";

/** A denial of the Guardian's own making, before any rule. */
export const rejected = (code: `E_${string}`, message: string): OperationError =>
  new OperationError(code, message);

/** Text of a stranger inside a message of ours. */
export const printable = (text: string): string =>
  JSON.stringify((utf8Decode(utf8Encode(text)) ?? "").slice(0, 80));
