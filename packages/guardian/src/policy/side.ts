/**
 * The policy as a person has it: its text, what another text would do, and the change itself.
 *
 * Invariants: a text that does not load is never put in force; a change names the text that it takes
 * the place of, and falls away where another one is in force by then; a device signs the card that
 * says what the change newly allows, and a browser's own key does not count; the change is in the log
 * before it holds. Bounds: `policyChangesMax`, `policyChangeMs`.
 */
import { equalBytes, OperationError, toHex, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { policyBytesMax } from "@ioi/firewall";
import { policyStatement, schema } from "@ioi/wire";
import { type GuardianCore, printable, rejected } from "../core.ts";
import type { DeviceSigned } from "../device-book.ts";
import { deviceVerdict } from "../device-signature.ts";
import {
  learnedSessionsMax,
  policyChangeMs,
  policyChangesMax,
  policyTestsBytesMax,
} from "../limits.ts";
import type { LoggedChange } from "./book.ts";
import { recordedVerdicts } from "./recorded.ts";
import type { HandText, PolicyAnswer, PolicyTask, PolicyText } from "./tasks.ts";
import type { PolicyTexts } from "./texts.ts";

/** Answers tasks elsewhere than on the way of decisions. */
export interface PolicyBench {
  run(task: PolicyTask): Promise<PolicyAnswer>;
}

export interface PolicyChange {
  readonly id: string;
  readonly card: string;
  readonly cardHash: Uint8Array;
  /** Canonical `policyStatement`. */
  readonly statement: Uint8Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly notWider: boolean;
}

interface Waiting extends PolicyChange {
  readonly text: string;
  readonly beforeText: string;
  readonly policyHash: Uint8Array;
}

export interface PolicyNow {
  readonly text: string;
  readonly textHash: Uint8Array;
  readonly policyHash: Uint8Array | undefined;
  readonly rules: number;
  readonly error: string;
  /** How the text came to be: as it was found, by a device, by hand since the last time or start. */
  readonly origin: "first" | "saved" | "edited";
}

export interface PolicyVersion extends LoggedChange {
  readonly device: string;
  readonly kept: boolean;
}

const fileName = "policy.toml";

export class PolicySide {
  readonly #core: GuardianCore;
  readonly #texts: PolicyTexts;
  readonly #bench: PolicyBench;
  readonly #waiting: Map<string, Waiting> = new Map();
  #saving = false;

  constructor(core: GuardianCore, texts: PolicyTexts, bench: PolicyBench) {
    this.#core = core;
    this.#texts = texts;
    this.#bench = bench;
  }

  async now(): Promise<PolicyNow> {
    const text = (await this.#texts.current()) ?? "";
    const textHash = this.#texts.hashOf(text);
    const policy = this.#core.policy();
    return {
      text,
      textHash,
      policyHash: policy?.hash,
      rules: policy?.rules.length ?? 0,
      error: this.#core.policyError(),
      origin: this.#origin(textHash),
    };
  }

  #origin(textHash: Uint8Array): PolicyNow["origin"] {
    const { last } = this.#core.policyBook;
    if (last !== undefined) return equalBytes(last.after, textHash) ? "saved" : "edited";
    return this.#core.policyLoads > 1 ? "edited" : "first";
  }

  /** A text that was in force, by its hash in hex or the beginning of it. */
  async earlier(given: string): Promise<{ readonly text: string; readonly hash: Uint8Array }> {
    const known = /^[0-9a-f]{4,64}$/.test(given)
      ? (await this.#texts.kept()).filter((each) => each.startsWith(given))
      : [];
    const [only, another] = known;
    const text =
      only === undefined || another !== undefined ? undefined : await this.#texts.find(only);
    if (text === undefined) {
      throw rejected("E_POLICY_TEXT_UNKNOWN", `no one kept text begins with ${printable(given)}`);
    }
    return { text, hash: this.#texts.hashOf(text) };
  }

  async check(text: string): Promise<unknown> {
    return await this.#value({ type: "check", policy: this.#named(text) });
  }

  async test(text: string, tests: string): Promise<unknown> {
    this.#bounded(tests, "the tests");
    return await this.#value({ type: "test", policy: await this.#orNow(text), tests });
  }

  async tryAction(text: string, action: HandText): Promise<unknown> {
    this.#bounded(action.arguments + action.words, "the action");
    return await this.#value({ type: "try", policy: await this.#orNow(text), action });
  }

  async diff(before: string, after: string): Promise<unknown> {
    const old = await this.#orNow(before);
    return await this.#value({ type: "diff", before: old, after: this.#named(after) });
  }

  /** A verdict of the log, by its receipt or by its place in a session. */
  async explain(
    text: string,
    wanted: { readonly receipt: number } | { readonly session: string; readonly action: number },
  ): Promise<unknown> {
    const past =
      "receipt" in wanted
        ? (await recordedVerdicts(this.#core, { sessions: [], until: wanted.receipt }))[0]
        : (await recordedVerdicts(this.#core, { sessions: [wanted.session] })).toReversed()[
            wanted.action - 1
          ];
    if (past === undefined || ("receipt" in wanted && past.receipt !== wanted.receipt)) {
      throw rejected("E_POLICY_QUESTION", "no verdict stands there, or it is too old");
    }
    const refusal = this.#core.weigh(past.session.session, past.action).refusal;
    return await this.#value({
      type: "explain",
      policy: await this.#orNow(text),
      past,
      ...(refusal === undefined ? {} : { refusal }),
    });
  }

  async learn(text: string, sessions: readonly string[]): Promise<unknown> {
    if (sessions.length === 0 || sessions.length > learnedSessionsMax) {
      throw rejected("E_POLICY_QUESTION", `between 1 and ${learnedSessionsMax} sessions`);
    }
    const past = await recordedVerdicts(this.#core, { sessions });
    const steps = past.filter(({ verdict }) => verdict === "allow").toReversed();
    return await this.#value({ type: "learn", policy: await this.#orNow(text), steps });
  }

  async shadow(text: string): Promise<unknown> {
    const past = await recordedVerdicts(this.#core, { sessions: [] });
    return await this.#value({ type: "shadow", policy: await this.#orNow(text), past });
  }

  /** Makes a change that waits for a device. The same text proposed again is the same change. */
  async propose(text: string, base: Uint8Array): Promise<PolicyChange> {
    const after = this.#named(text);
    const beforeText = (await this.#texts.current()) ?? "";
    const before = this.#texts.hashOf(beforeText);
    if (!equalBytes(before, base)) throw this.#moved();
    const afterHash = this.#texts.hashOf(text);
    if (equalBytes(before, afterHash)) {
      throw rejected("E_POLICY_QUESTION", "this text is in force already");
    }
    const known = this.changes().find((each) => equalBytes(each.after, afterHash));
    if (known !== undefined && equalBytes(known.before, before)) return known;
    const answer = await this.#bench.run({
      type: "change",
      before: { file: fileName, text: beforeText },
      after,
    });
    if (answer.type === "refused") throw this.#refusal(answer);
    if (answer.type !== "change") throw rejected("E_POLICY_QUESTION", "no change came of it");
    const { card, policyHash, notWider } = answer.change;
    const { provider, random } = this.#core.ports;
    const cardHash = domainHash(provider, domains.card, utf8Encode(card));
    const createdMs = this.#core.wall();
    const change: Waiting = {
      id: `p-${toHex(random.fill(new Uint8Array(5)))}`,
      card,
      cardHash,
      statement: schema.encode(policyStatement, { version: 1, before, after: afterHash, cardHash }),
      before,
      after: afterHash,
      createdMs,
      expiresMs: createdMs + policyChangeMs,
      notWider,
      text,
      beforeText,
      policyHash,
    };
    this.#waiting.set(change.id, change);
    const oldest = this.#waiting.keys().next().value;
    if (this.#waiting.size > policyChangesMax && oldest !== undefined) {
      this.#waiting.delete(oldest);
    }
    return change;
  }

  /** Changes that wait and still fit, oldest first. */
  changes(): readonly PolicyChange[] {
    const nowMs = this.#core.wall();
    for (const [id, { createdMs, expiresMs }] of this.#waiting) {
      if (createdMs > nowMs || nowMs >= expiresMs) this.#waiting.delete(id);
    }
    return [...this.#waiting.values()];
  }

  withdraw(id: string): boolean {
    return this.#waiting.delete(id);
  }

  async save(answer: DeviceSigned): Promise<{
    readonly index: number;
    readonly policyHash: Uint8Array;
    readonly textHash: Uint8Array;
  }> {
    const change = this.#verified(answer);
    if (this.#saving) throw rejected("E_POLICY_BASE", "another change is being saved");
    this.#saving = true;
    try {
      return await this.#save(change, answer);
    } finally {
      this.#saving = false;
    }
  }

  #verified(answer: DeviceSigned): Waiting {
    const verdict = deviceVerdict(this.#core, domains.policyChange, answer);
    if (!verdict.ok) throw rejected("E_DEVICE_SIGNATURE", verdict.why);
    if (verdict.kind === "webcrypto") {
      throw rejected("E_DEVICE_LIMITED", "a browser's key does not change the policy");
    }
    const statement = schema.decode(policyStatement, answer.statement);
    if (!statement.ok) throw rejected("E_DEVICE_SIGNATURE", statement.error.message);
    const { before, after, cardHash } = statement.value;
    const change = this.changes().find(
      (each) =>
        equalBytes(each.before, before) &&
        equalBytes(each.after, after) &&
        equalBytes(each.cardHash, cardHash),
    );
    const waiting = change === undefined ? undefined : this.#waiting.get(change.id);
    if (waiting === undefined) {
      throw rejected("E_POLICY_CHANGE_UNKNOWN", "no such change of the policy waits");
    }
    return waiting;
  }

  async #save(
    change: Waiting,
    { device, statement, signature }: DeviceSigned,
  ): Promise<{
    readonly index: number;
    readonly policyHash: Uint8Array;
    readonly textHash: Uint8Array;
  }> {
    const { before, after, policyHash, text, beforeText } = change;
    const current = (await this.#texts.current()) ?? "";
    if (!equalBytes(this.#texts.hashOf(current), before)) {
      this.#waiting.delete(change.id);
      throw this.#moved();
    }
    const order = this.#core.policyBook.changes.map(({ leaf }) => toHex(leaf.before));
    await this.#texts.prepare(beforeText, text, order);
    // Taken before the leaf: the same signature saves once.
    this.#waiting.delete(change.id);
    let index: number;
    try {
      const atMs = this.#core.wall();
      const leaf = { before, after, policyHash, device, statement, signature } as const;
      ({ index } = await this.#core.commit({ type: "policy-change", atMs, ...leaf }));
    } catch (error) {
      await this.#texts.giveUp();
      this.#waiting.set(change.id, change);
      throw error;
    }
    await this.#texts.putInForce(text);
    // Read at once, so that the log of this process says it.
    this.#core.policy();
    return { index, policyHash, textHash: after };
  }

  /** Newest first. */
  async history(): Promise<readonly PolicyVersion[]> {
    const kept = new Set(await this.#texts.kept());
    return this.#core.policyBook.changes.toReversed().map(({ index, leaf }) => ({
      index,
      leaf,
      device: this.#deviceName(leaf.device),
      kept: kept.has(toHex(leaf.before)),
    }));
  }

  #deviceName(id: Uint8Array): string {
    if (this.#core.config.devices.some((each) => equalBytes(each, id))) return "the terminal";
    return this.#core.deviceBook.get(id)?.name ?? "a device that is not paired any more";
  }

  #moved(): OperationError {
    return rejected("E_POLICY_BASE", "another text is in force than the one this change is for");
  }

  #named(text: string): PolicyText {
    if (utf8Encode(text).length > policyBytesMax) {
      throw rejected("E_POLICY_TOO_LARGE", `more than ${policyBytesMax} bytes`);
    }
    return { file: fileName, text };
  }

  #bounded(text: string, what: string): void {
    if (utf8Encode(text).length > policyTestsBytesMax) {
      throw rejected("E_POLICY_QUESTION", `${what}: more than ${policyTestsBytesMax} bytes`);
    }
  }

  async #orNow(text: string): Promise<PolicyText> {
    return this.#named(text === "" ? ((await this.#texts.current()) ?? "") : text);
  }

  #refusal({ rejection }: Extract<PolicyAnswer, { readonly type: "refused" }>): OperationError {
    return new OperationError(rejection.code as `E_${string}`, rejection.message);
  }

  async #value(task: PolicyTask): Promise<unknown> {
    const answer = await this.#bench.run(task);
    if (answer.type === "refused") throw this.#refusal(answer);
    return answer.type === "value" ? answer.value : undefined;
  }
}
