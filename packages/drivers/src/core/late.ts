/**
 * A driver whose place cannot be opened (a full disk, a folder of a newer version) says so when it is
 * asked to prepare, and tries again each time: where there is room again, it goes on.
 *
 * Invariant: nothing is performed, and nothing settled, before it is open.
 */
import { OperationError } from "@ioi/base";
import type { ErrorCode } from "../errors.ts";
import { errnoOf, operationError } from "../fs/syscalls.ts";
import { type DriverHandlers, failedPreparation } from "./handlers.ts";

export interface Opened extends DriverHandlers, Disposable {}

/** What the world failed with; a bug goes up. */
const failureOf = (error: unknown): OperationError => {
  if (error instanceof OperationError) return error;
  if (errnoOf(error) === undefined) throw error;
  return operationError(error, "the vault cannot be opened");
};

export const openLate = async (open: () => Promise<Opened>): Promise<Opened> => {
  let opened: Opened | undefined;
  let opening: Promise<Opened | OperationError> | undefined;
  const tried = (): Promise<Opened | OperationError> => {
    // Once at a time, whoever asks.
    opening ??= open()
      .then((made) => (opened = made), failureOf)
      .finally(() => (opening = undefined));
    return opening;
  };
  const first = await tried();
  if (!(first instanceof OperationError)) return first;
  const need = async (): Promise<Opened> => {
    const now = opened ?? (await tried());
    if (now instanceof OperationError) throw now;
    return now;
  };
  return {
    prepare: async (request, context) => {
      const now = opened ?? (await tried());
      return now instanceof OperationError
        ? failedPreparation({ code: now.code as ErrorCode, message: now.message })
        : await now.prepare(request, context);
    },
    preview: async (request, context) => (await need()).preview(request, context),
    act: async function* (request, context) {
      yield* (await need()).act(request, context);
    },
    abort: async (request, context) => (await need()).abort(request, context),
    settle: async (request, context) => (await need()).settle(request, context),
    refuse: async (request, context) => (await need()).refuse(request, context),
    input: async (request, context) => (await need()).input(request, context),
    [Symbol.dispose]: () => opened?.[Symbol.dispose](),
  };
};
