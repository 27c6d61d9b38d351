/**
 * The memory driver: `memory::remember`, `memory::recall`, `memory::forget`, `memory::share`. It has no
 * network, sees the memory folder alone, and holds no key: what opens the file comes with each ticket,
 * sealed to this instance and bound to the action, and is gone with the action.
 *
 * What is remembered keeps the origin that the Guardian judged it by. What is recalled comes with the
 * proof that it stands in the committed log; the roots that it leads to are part of what this instance
 * signs. Bounds: `memoryTextBytesMax` of one memory, `recallAnswersMax`.
 */
import { ok, OperationError, type Result, toHex, utf8Decode, utf8Encode } from "@ioi/base";
import { type CryptoProvider, generateSealingKeys, openBox, sealingPublicKey } from "@ioi/crypto";
import type { Substrate, SubstrateInfo } from "@ioi/scs";
import { type CanonicalValue, contentRef, schema } from "@ioi/wire";
import {
  type ActContext,
  type ActReport,
  type Driver,
  type ObligationType,
  type PreparedAction,
  refused,
} from "../core/driver.ts";
import type { Settlement } from "../effects/settle.ts";
import { decodeArguments } from "../files/arguments.ts";
import { type DriverRejection, reject } from "../fs/roots.ts";
import { memoryTextBytesMax, recallAnswersDefault, recallAnswersMax } from "../limits.ts";
import type { RequestClaims } from "../net/claims.ts";
import { foundBy, workOff } from "./backlog.ts";
import { type MemoryFolder, type MemoryUse } from "./file.ts";
import { memoriesOf, recipientOf, share } from "./share.ts";
import { type Chosen, VectorQuestions } from "./vectors.ts";

const { int, oneOf, optional, record, text } = schema;

const rememberArguments = record({ content: contentRef, origin: oneOf("user", "content") });
const recallArguments = record({ query: text(4096), count: optional(int(1, recallAnswersMax)) });
const shareArguments = record({ memory: text(350), key: contentRef, agent: text(64) });
const forgetArguments = record({ memory: int() });

/** What an action does with the open file: its report but for what the file's state adds. */
type Done = Pick<ActReport, "result" | "bytes"> & { readonly evidence?: ActReport["evidence"] };
type Work = (substrate: Substrate, isEmbedded: boolean) => Promise<Done>;

interface Plan {
  readonly use: MemoryUse;
  /** Something beyond the file is changed: what was given away. */
  readonly effect?: true;
  readonly content: PreparedAction["content"];
  /** What vectors are asked for first: of what is kept, or looked for. */
  readonly embeds?: (context: ActContext) => string;
  readonly work: (context: ActContext) => Result<Work, DriverRejection>;
  /** Where nothing was ever remembered. */
  readonly absent: () => ActReport;
}

/** What the file committed to, as receipts and the Guardian's checkpoints name it. */
const stateOf = (info: SubstrateInfo): Readonly<Record<string, string>> => ({
  store: toHex(info.storeId),
  commit: String(info.commits - 1),
  log_size: String(info.logSize),
  log_root: toHex(info.logRoot),
  ...(info.indexRoot === undefined ? {} : { index_root: toHex(info.indexRoot) }),
});

const rememberedText = (
  id: number,
  origin: "user" | "content",
  near: number | undefined,
  isEmbedded: boolean,
): string => {
  const whose =
    origin === "user"
      ? "These are your own words."
      : "It is content: one typed line of at most 200 characters counts as your own words.";
  const same = `It says nearly the same as memory ${near}; both are kept.`;
  const waits = "It waits for its vector, and words find it until then.";
  const more = [...(near === undefined ? [] : [same]), ...(isEmbedded ? [] : [waits])];
  return `${[`Kept as memory ${id}.`, whose, ...more].join(" ")}\n`;
};

const forgottenText = (id: number): string =>
  `Memory ${id} is forgotten: its key is erased, and nothing opens it any more.\n`;

/** It is forgotten already: where its index cannot be made anew now, the next writer makes it. */
const rebuilt = async (substrate: Substrate): Promise<boolean> => {
  try {
    await substrate.rebuild();
    return true;
  } catch (error) {
    if (error instanceof OperationError) return false;
    throw error;
  }
};

const noMemory = (message: string): ActReport => refused({ code: "E_MEMORY_NONE", message });

export interface MemoryOwner {
  readonly session: string;
  /** `agentId` of the Guardian: who gives memories away. */
  readonly agent: Uint8Array;
}

export class MemoryDriver implements Driver {
  readonly kind = "memory";
  readonly #folder: MemoryFolder;
  readonly #claims: RequestClaims;
  readonly #provider: CryptoProvider;
  readonly #own: MemoryOwner;
  readonly #keys: ReturnType<typeof generateSealingKeys>;
  /** Of acts that run, by their tickets. */
  readonly #questions = new Map<bigint, VectorQuestions>();

  constructor(
    folder: MemoryFolder,
    claims: RequestClaims,
    provider: CryptoProvider,
    own: MemoryOwner,
  ) {
    this.#folder = folder;
    this.#claims = claims;
    this.#provider = provider;
    this.#own = own;
    this.#keys = generateSealingKeys(provider);
  }

  async prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
  ): Promise<Result<PreparedAction, DriverRejection>> {
    const planned = this.#plan(target, args);
    if (!planned.ok) return planned;
    const { use, content, effect = use !== "read" } = planned.value;
    return ok({
      facts: {},
      effect,
      content,
      keeps: keepsMemory,
      sealTo: sealingPublicKey(this.#keys),
      act: (context) => this.#act(planned.value, effect, context),
      [Symbol.dispose]: () => undefined,
    });
  }

  #plan(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
  ): Result<Plan, DriverRejection> {
    switch (target) {
      case "memory::remember":
        return this.#remember(args);
      case "memory::recall":
        return this.#recall(args);
      case "memory::forget":
        return this.#forget(args);
      case "memory::share":
        return this.#share(args);
      default:
        return reject("E_TARGET_UNKNOWN", `the memory driver does not perform ${target}`);
    }
  }

  #remember(args: { readonly [name: string]: CanonicalValue }): Result<Plan, DriverRejection> {
    const decoded = decodeArguments(rememberArguments, args);
    if (!decoded.ok) return decoded;
    const { content, origin } = decoded.value;
    if (content.length > memoryTextBytesMax) {
      return reject("E_ARGUMENTS_INVALID", `a memory has at most ${memoryTextBytesMax} bytes`);
    }
    const { session } = this.#own;
    const source = `ioi:session/${session}`;
    return ok({
      use: "create",
      content,
      embeds: (context) => utf8Decode(context.content) ?? "",
      work: (context) => {
        const said = utf8Decode(context.content);
        if (said === undefined || said.trim() === "") {
          return reject("E_ARGUMENTS_INVALID", "a memory is text, and not empty");
        }
        const memory = { text: said, origin: { kind: origin, from: session }, source };
        return ok(async (substrate, isEmbedded) => {
          const embed = isEmbedded ? "now" : "later";
          const [kept] = await substrate.remember([memory], { signal: context.signal, embed });
          const { id = 0, nearDuplicateOf: near } = kept ?? {};
          return {
            result: {
              memory: id,
              content: utf8Encode(rememberedText(id, origin, near, isEmbedded)),
            },
            bytes: context.content.length,
            evidence: { memory: String(id) },
          };
        });
      },
      absent: () => noMemory("the memory file could not be made"),
    });
  }

  #recall(args: { readonly [name: string]: CanonicalValue }): Result<Plan, DriverRejection> {
    const decoded = decodeArguments(recallArguments, args);
    if (!decoded.ok) return decoded;
    const { query, count = recallAnswersDefault } = decoded.value;
    if (query.trim() === "") return reject("E_ARGUMENTS_INVALID", "nothing is asked for");
    return ok({
      use: "read",
      content: undefined,
      embeds: () => query,
      work: () =>
        ok(async (substrate) => {
          const recalled = await substrate.prove({ text: query, k: count });
          const ids = recalled.answers.map(({ id }) => id).join(",");
          return {
            // What it says is read from what shows it, by whoever has verified that.
            result: { proof: recalled.proof },
            bytes: recalled.proof.length,
            evidence: {
              answers: String(recalled.answers.length),
              ...(ids.length > 256 || ids === "" ? {} : { memories: ids }),
              proof: toHex(this.#provider.sha256(recalled.proof)),
            },
          };
        }),
      absent: () => ({
        status: "confirmed",
        result: {},
        bytes: 0,
        reversible: false,
        evidence: { answers: "0" },
      }),
    });
  }

  #forget(args: { readonly [name: string]: CanonicalValue }): Result<Plan, DriverRejection> {
    const decoded = decodeArguments(forgetArguments, args);
    if (!decoded.ok) return decoded;
    const { memory } = decoded.value;
    return ok({
      use: "write",
      content: undefined,
      work: () =>
        ok(async (substrate) => {
          await substrate.forget([memory]);
          const indexed = await rebuilt(substrate);
          return {
            result: { memory, content: utf8Encode(forgottenText(memory)) },
            bytes: 0,
            evidence: { memory: String(memory), ...(indexed ? {} : { index: "stale" }) },
          };
        }),
      absent: () => noMemory("nothing was ever remembered here"),
    });
  }

  #share(args: { readonly [name: string]: CanonicalValue }): Result<Plan, DriverRejection> {
    const decoded = decodeArguments(shareArguments, args);
    if (!decoded.ok) return decoded;
    const { memory, key, agent } = decoded.value;
    const memories = memoriesOf(memory);
    if (!memories.ok) return memories;
    return ok({
      use: "read",
      effect: true,
      content: key,
      work: (context) => {
        const recipient = recipientOf(this.#provider, context.content, agent);
        if (!recipient.ok) return recipient;
        const given = { memories: memories.value, recipient: recipient.value };
        return ok(async (substrate) => {
          const { checkpoint } = context;
          const by = { agent: this.#own.agent, atMs: Date.now(), checkpoint };
          const { slice, isVouched } = await share(this.#provider, substrate, given, by);
          return {
            result: { content: slice },
            bytes: slice.length,
            evidence: {
              memories: memory.slice(0, 256),
              agent,
              slice: toHex(this.#provider.sha256(slice)),
              vouched: isVouched ? "yes" : "no",
            },
          };
        });
      },
      absent: () => noMemory("nothing was ever remembered here"),
    });
  }

  claim(counter: bigint): Disposable | undefined {
    return this.#claims.claim(counter);
  }

  async settle(counter: bigint): Promise<Settlement> {
    return this.#claims.settle(counter);
  }

  async #act(plan: Plan, effect: boolean, context: ActContext): Promise<ActReport> {
    const report = await this.#caught(() => this.#perform(plan, context), context.signal).finally(
      () => this.#questions.delete(context.counter),
    );
    if (effect && report.status !== "refused") this.#claims.finish(context.counter, report.status);
    return report;
  }

  /** After a failed write or sync nobody knows what the disk holds; else nothing was stored. */
  async #caught(work: () => Promise<ActReport>, signal: AbortSignal): Promise<ActReport> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof OperationError && error.code === "E_SCS_POISONED") {
        return {
          ...refused({ code: "E_MEMORY_STORED", message: error.message }),
          status: "unknown",
        };
      }
      if (!signal.aborted || error !== signal.reason) throw error;
      const stopped = refused({ code: "E_ABORTED", message: "the action was stopped" });
      return { ...stopped, status: "no-effect" };
    }
  }

  async #perform(plan: Plan, context: ActContext): Promise<ActReport> {
    const work = plan.work(context);
    if (!work.ok) return refused(work.error);
    const { memoryKey = new Uint8Array(0), actionId } = context;
    const key = openBox(this.#provider, this.#keys, memoryKey, actionId);
    if (!key.ok) return refused({ code: "E_MEMORY_KEY", message: key.error.message });
    try {
      const chosen = await this.#choose(plan, context);
      const given = chosen.type === "embedder" ? chosen.embedder : undefined;
      const { signal } = context;
      const done = await this.#folder.with(plan.use, key.value, signal, given, async (open) => {
        const { substrate } = open;
        const waiting = await workOff(open, plan.use, signal);
        const isEmbedded = open.embedder !== undefined && waiting.left === 0;
        const { evidence = {}, ...rest } = await work.value(substrate, isEmbedded);
        const found = await foundBy(open, chosen, waiting.why);
        return { ...rest, evidence: { ...evidence, ...found, ...stateOf(substrate.info) } };
      });
      return done === undefined
        ? plan.absent()
        : { status: "confirmed", reversible: false, ...done };
    } finally {
      key.value.fill(0);
    }
  }

  /** Asked before the file is opened, so that nobody waits for a turn meanwhile. */
  async #choose({ embeds }: Plan, context: ActContext): Promise<Chosen> {
    const text = embeds?.(context) ?? "";
    if (text === "") return { type: "none" };
    const questions = new VectorQuestions(context);
    this.#questions.set(context.counter, questions);
    return await questions.choose(text);
  }

  async refuse(counter: bigint, id: number, reason: string): Promise<void> {
    this.#questions.get(counter)?.refuse(id, reason);
  }

  [Symbol.dispose](): void {
    // The file is open only while an action runs.
  }
}

const keepsMemory: ReadonlySet<ObligationType> = new Set<ObligationType>(["memory"]);
