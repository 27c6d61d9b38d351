/**
 * Vectors for memories: their driver, which has no network, asks for texts to be embedded; the model that the
 * person chose for memories does it, by an action of its own that is judged like any other. What it
 * answers goes back to the driver as two lines: the model's name and the answer.
 *
 * Bounds: those of the model's driver; `inputPieceBytesMax` a piece.
 */
import { embedTarget } from "@ioi/agent";
import { OperationError, utf8Encode } from "@ioi/base";
import type { Root } from "@ioi/firewall";
import { type CanonicalValue, decodeCanonical, encodeCanonical } from "@ioi/wire";
import { canonicalArguments } from "./arguments.ts";
import type { FindPerformer } from "./beside.ts";
import type { ActWant, Driver, RegisteredModel } from "./ends.ts";
import { inputPieceBytesMax } from "./limits.ts";

export interface MemoryVectorEnds {
  readonly models: readonly RegisteredModel[];
  readonly roots: readonly Root[];
  readonly home: string;
  readonly modelDriver: () => Promise<Driver>;
}

/** The memory driver, in the middle of the act that asks. */
export interface AskingDriver {
  readonly driver: Driver;
  readonly nonce: Uint8Array;
}

const malformed = (why: string): OperationError =>
  new OperationError("E_DRIVER_MALFORMED", `what the memory driver asks for: ${why}`);

const textsOf = ({ target, args }: ActWant): readonly string[] => {
  if (target !== embedTarget) throw malformed(`${target} is not its to ask for`);
  const decoded = decodeCanonical(args);
  const { texts } = ((decoded.ok ? decoded.value : null) ?? {}) as {
    readonly texts?: CanonicalValue;
  };
  if (!Array.isArray(texts)) throw malformed("it names no texts");
  const all = texts as readonly CanonicalValue[];
  const named = all.filter((each) => typeof each === "string");
  if (named.length !== all.length) throw malformed("it names what is no text");
  return named;
};

const answerWith = async (
  { driver, nonce }: AskingDriver,
  name: string,
  found: Uint8Array,
): Promise<void> => {
  const answer = utf8Encode(
    `${JSON.stringify({ name })}\n${Buffer.from(found).toString("utf8")}\n`,
  );
  for (let at = 0; at < answer.length; at += inputPieceBytesMax) {
    await driver.input(nonce, answer.subarray(at, at + inputPieceBytesMax), false);
  }
};

/** Who embeds the texts of a want; nobody where no model was chosen. */
export const embeddingOf =
  (ends: MemoryVectorEnds, asking: AskingDriver, want: ActWant): FindPerformer =>
  async () => {
    const texts = textsOf(want);
    const model = ends.models.find(({ isMemory }) => isMemory === true);
    if (model === undefined) return undefined;
    const content = utf8Encode(JSON.stringify(texts));
    const { id, url, protocol, name, inputMicrousd, outputMicrousd } = model;
    const supplied = { url, protocol, name, price_in: inputMicrousd, price_out: outputMicrousd };
    const raw = { model: id };
    const made = canonicalArguments(embedTarget, raw, content, ends.roots, ends.home, supplied);
    if (!made.ok) throw new OperationError(made.error.code as `E_${string}`, made.error.message);
    const driver = await ends.modelDriver();
    const by = {
      driver,
      content,
      found: (found: Uint8Array) => answerWith(asking, name, found),
    };
    return { by, args: encodeCanonical(made.value.args) };
  };
