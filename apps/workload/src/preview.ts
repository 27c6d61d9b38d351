/** What an action that asks would change: from its driver to the Guardian, or why it cannot be shown. */
import { type Log, OperationError } from "@ioi/base";
import type { Driver, Gate } from "./ends.ts";

const nothing = new Uint8Array(0);

export interface Asking {
  readonly session: string;
  readonly approval: string;
  readonly signal: AbortSignal;
}

/** A failure of the world is what the card says; nothing is thrown for one. */
export const showPreview = async (
  gate: Gate,
  log: Log,
  { session, approval, signal }: Asking,
  prepared: () => Promise<{
    readonly driver: Driver;
    readonly nonce: Uint8Array;
    readonly content: Uint8Array;
  }>,
): Promise<void> => {
  const given = { session, approval };
  const none = { statement: nothing, signature: nothing, text: "" };
  try {
    const { driver, nonce, content } = await prepared();
    const made = await driver.preview(nonce, content, signal);
    await gate.preview({ ...given, ...made, missing: "" }, signal);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    log.log("warn", "session.no-preview", { approval, code: error.code });
    // The Guardian says so by itself where this does not reach it either.
    await gate
      .preview({ ...given, ...none, missing: error.code }, signal)
      .catch((failed: unknown) => {
        if (!(failed instanceof OperationError)) throw failed;
      });
  }
};
