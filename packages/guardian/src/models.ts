/**
 * The models that a person confirmed, in `guardian/models`: where each is reached, what it costs,
 * which secret authenticates it, and for a server of this machine who ran it. An action that asks
 * any other model, or this one anywhere else, is refused whatever the policy says.
 *
 * The file begins with its format; after it stands a canonical record. Bounds: `modelsMax`.
 */
import {
  concatBytes,
  err,
  type Files,
  ok,
  OperationError,
  type Result,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import {
  type DecisionContext,
  isModelProtocol,
  type ModelAmount,
  modelPriceMax,
  type Price,
  priceOf,
  readModelUrl,
} from "@ioi/firewall";
import { type Action, type CanonicalValue, type Infer, schema } from "@ioi/wire";
import { modelsBytesMax, modelsMax } from "./limits.ts";
import type { PriceSource } from "./price-source.ts";
import { printable, rejected } from "./rejections.ts";

const { array, bool, int, optional, record, text } = schema;

export const modelRecord = record({
  id: text(128),
  protocol: text(16),
  url: text(2048),
  name: text(256),
  /** Name of the secret that authenticates; empty: none. */
  secret: text(64),
  /** Micro-dollars for a million tokens; absent: what the price table says. */
  priceIn: optional(int(0, modelPriceMax)),
  priceOut: optional(int(0, modelPriceMax)),
  /** Of a server on this machine: who ran it when it was confirmed. */
  ownerUid: optional(int()),
  program: text(4096),
  contextTokens: int(),
});
export type ModelRecord = Infer<typeof modelRecord>;

const registryFile = record({
  models: array(modelRecord, modelsMax),
  /** Empty: none. */
  default: text(128),
  /** Whose vectors memories are found by; absent: none. Since format 2. */
  memory: optional(text(128)),
  unscrubbedConsent: bool,
});
type RegistryFile = Infer<typeof registryFile>;

/** A model as sessions know it: with the price that counts now. */
export interface ConfirmedModel extends ModelRecord {
  readonly loopback: boolean;
  readonly isDefault: boolean;
  readonly isMemory: boolean;
  /** The price was confirmed with the model; else it is the table's. */
  readonly priceConfirmed: boolean;
  readonly priceIn: number;
  readonly priceOut: number;
}

const path = "models";
/** The second is written where it says something that the first cannot. */
const formats = ["1", "2"];
const formatOf = ({ memory }: RegistryFile): string =>
  `ioi.models/${memory === undefined ? "1" : "2"}\n`;

const damaged = (why: string): OperationError =>
  new OperationError("E_MODELS_FILE", `guardian/models: ${why}`);

const readFile = (bytes: Uint8Array): RegistryFile => {
  const end = bytes.indexOf(10) + 1;
  const head = utf8Decode(bytes.subarray(0, end)) ?? "";
  const version = /^ioi\.models\/(\d{1,9})\n$/.exec(head)?.[1];
  if (version === undefined) throw damaged("it does not begin with its format");
  if (!formats.includes(version)) {
    const message = `guardian/models has format ${version}; this version knows ${formats.join(" and ")}`;
    throw new OperationError("E_MODELS_FORMAT", message);
  }
  const decoded = schema.decode(registryFile, bytes.subarray(end));
  if (!decoded.ok) throw damaged(decoded.error.message);
  return decoded.value;
};

const idShape = /^[a-z0-9][a-z0-9._:/-]{0,127}$/i;

/** Which model memories use, once one was said to be it or not. */
const memoryPart = (
  memory: string | undefined,
  id: string,
  isMemory: boolean | undefined,
): { readonly memory?: string } => {
  const next = isMemory === true ? id : isMemory === false && memory === id ? undefined : memory;
  return next === undefined ? {} : { memory: next };
};

const isOnLoopback = (url: string): boolean => {
  const read = readModelUrl(url);
  return read.ok && read.value.place === "loopback";
};

/** What a person entered, checked and in its one spelling. */
const checkedModel = (given: ModelRecord): Result<ModelRecord, string> => {
  if (!idShape.test(given.id)) return err(`${printable(given.id)} is no id for a model`);
  if (!isModelProtocol(given.protocol)) return err("the protocol is openai or anthropic");
  const url = readModelUrl(given.url);
  if (!url.ok) return err(`the address ${printable(given.url)}: ${url.error}`);
  if (given.name === "" || /[\p{Cc}\p{Cf}]/u.test(given.name)) {
    return err("the provider's name of the model is empty or holds control characters");
  }
  if ((given.priceIn === undefined) !== (given.priceOut === undefined)) {
    return err("a price has both sides: what the model is told and what it says");
  }
  const local = url.value.place === "loopback";
  if (local && given.ownerUid === undefined) {
    return err("nobody is known to run it: start its server first, then confirm it");
  }
  return ok({
    ...given,
    url: url.value.url,
    program: local ? given.program : "",
  });
};

/** Tokens of a text, counted so that an estimate does not flatter. */
const bytesOfToken = 3;

const mapOf = (value: CanonicalValue | undefined): { readonly [name: string]: CanonicalValue } =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array)
    ? (value as { readonly [name: string]: CanonicalValue })
    : {};

const numberOf = (value: CanonicalValue | undefined): number =>
  typeof value === "number" && value >= 0 ? value : 0;

/** What goes to a confirmed model and nowhere else. */
export const asksModel = (target: string): boolean =>
  target === "model::infer" || target === "model::embed";

/** What a question to a model costs at most, by its own arguments; undefined for any other action. */
export const modelAmount = ({ target, args }: Action): ModelAmount | undefined => {
  if (!asksModel(target)) return undefined;
  const content = args[target === "model::embed" ? "input" : "prompt"];
  const told = Math.ceil(numberOf(mapOf(content)["length"]) / bytesOfToken);
  const says = numberOf(args["max_tokens"]);
  const cost =
    BigInt(told) * BigInt(numberOf(args["price_in"])) +
    BigInt(says) * BigInt(numberOf(args["price_out"]));
  return { tokens: told + says, microusd: Number((cost + 999_999n) / 1_000_000n) };
};

export class ModelRegistry {
  readonly #files: Files;
  readonly #prices: PriceSource;
  #state: RegistryFile;
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  private constructor(files: Files, prices: PriceSource, state: RegistryFile) {
    this.#files = files;
    this.#prices = prices;
    this.#state = state;
  }

  static async open(files: Files, prices: PriceSource): Promise<ModelRegistry> {
    const there = await files.stat(path);
    const state =
      there === undefined
        ? { models: [], default: "", unscrubbedConsent: false }
        : readFile(await files.readFile(path, modelsBytesMax));
    return new ModelRegistry(files, prices, state);
  }

  get unscrubbedConsent(): boolean {
    return this.#state.unscrubbedConsent;
  }

  /** Why the price table does not load; empty where it does. */
  get priceError(): string {
    this.#prices.current();
    return this.#prices.error;
  }

  get models(): readonly ConfirmedModel[] {
    const prices = this.#prices.current();
    return this.#state.models.map((model) => this.#confirmed(model, prices));
  }

  find(id: string): ConfirmedModel | undefined {
    const model = this.#state.models.find((each) => each.id === id);
    return model === undefined ? undefined : this.#confirmed(model, this.#prices.current());
  }

  #confirmed(model: ModelRecord, prices: readonly Price[]): ConfirmedModel {
    const table = priceOf(prices, model.name);
    return {
      ...model,
      loopback: isOnLoopback(model.url),
      isDefault: this.#state.default === model.id,
      isMemory: this.#state.memory === model.id,
      priceConfirmed: model.priceIn !== undefined,
      priceIn: model.priceIn ?? table?.input ?? 0,
      priceOut: model.priceOut ?? table?.output ?? 0,
    };
  }

  /**
   * Adds or changes one; the first is the default, unless it is for memories. `isMemory`: absent, as it
   * was.
   */
  async confirm(
    given: ModelRecord,
    options: {
      readonly isDefault: boolean;
      readonly isMemory?: boolean;
      readonly unscrubbedConsent: boolean;
    },
  ): Promise<void> {
    const { isDefault, isMemory = false } = options;
    const checked = checkedModel(given);
    if (!checked.ok) throw rejected("E_MODEL_INVALID", checked.error);
    const model = checked.value;
    const local = isOnLoopback(model.url);
    if (!local && !options.unscrubbedConsent && !this.#state.unscrubbedConsent) {
      throw rejected(
        "E_MODEL_CONSENT",
        `${model.url} is not on this machine, and what agents read goes there as it is`,
      );
    }
    if (isMemory && model.protocol !== "openai") {
      throw rejected("E_MODEL_INVALID", `${model.protocol} has no embeddings`);
    }
    const known = model.priceIn !== undefined || priceOf(this.#prices.current(), model.name);
    if (!local && known === undefined) {
      throw rejected("E_MODEL_PRICE", `no price is known for ${printable(model.name)}`);
    }
    await this.#change((state) => {
      const others = state.models.filter(({ id }) => id !== model.id);
      if (others.length >= modelsMax) {
        throw rejected("E_MODEL_INVALID", `more than ${modelsMax} models`);
      }
      return {
        models: [...others, model],
        default: isDefault || (state.default === "" && !isMemory) ? model.id : state.default,
        ...memoryPart(state.memory, model.id, options.isMemory),
        unscrubbedConsent: state.unscrubbedConsent || (!local && options.unscrubbedConsent),
      };
    });
  }

  async remove(id: string): Promise<boolean> {
    if (!this.#state.models.some((each) => each.id === id)) return false;
    await this.#change((state) => {
      const models = state.models.filter((each) => each.id !== id);
      const next = state.default === id ? (models[0]?.id ?? "") : state.default;
      const { memory, ...rest } = state;
      return { ...rest, models, default: next, ...memoryPart(memory, id, false) };
    });
    return true;
  }

  async #change(changed: (state: RegistryFile) => RegistryFile): Promise<void> {
    const changing = this.#changing.then(async () => {
      const state = changed(this.#state);
      const bytes = concatBytes(utf8Encode(formatOf(state)), schema.encode(registryFile, state));
      await this.#files.replaceFile(path, bytes, 0o600);
      this.#state = state;
    });
    this.#changing = changing.catch(() => undefined);
    await changing;
  }

  /** Who must listen where a model of this machine is asked; undefined for one elsewhere. */
  listenerOf(id: string): { readonly uid: number; readonly program: string } | undefined {
    const model = this.find(id);
    return model?.loopback === true && model.ownerUid !== undefined
      ? { uid: model.ownerUid, program: model.program }
      : undefined;
  }

  /** Why an action may not ask its model; undefined where it may, or asks none. */
  refusal({ target, args }: Action): DecisionContext["refusal"] {
    if (!asksModel(target)) return undefined;
    const id = typeof args["model"] === "string" ? args["model"] : "";
    const model = this.find(id);
    const names = this.#state.models.map((each) => each.id);
    if (model === undefined) {
      return {
        id: "builtin:model",
        reason: `The model ${printable(id)} was not confirmed by the person.`,
        instead: names.length === 0 ? "" : `Ask one of: ${names.join(", ")}.`,
      };
    }
    const same =
      args["url"] === model.url &&
      args["protocol"] === model.protocol &&
      args["name"] === model.name &&
      args["price_in"] === model.priceIn &&
      args["price_out"] === model.priceOut;
    if (!same) {
      return {
        id: "builtin:model",
        reason: `The model ${printable(model.id)} is reached or priced otherwise than confirmed.`,
        instead: "Start a new session: it learns the models as they are now.",
      };
    }
    if (!model.loopback && !this.#state.unscrubbedConsent) {
      return {
        id: "builtin:unscrubbed",
        reason: `${printable(model.id)} is not on this machine, and nobody agreed that text goes there.`,
        instead: "",
      };
    }
    return undefined;
  }
}
