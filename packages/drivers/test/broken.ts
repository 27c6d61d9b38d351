/** A driver in miniature whose checks can be taken out one by one: the control of the suite. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { equalBytes, toHex } from "@ioi/base";
import {
  actionId,
  domainHash,
  domains,
  signPayload,
  type SigningKey,
  verifyPayload,
} from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  action as actionSchema,
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  outcome,
  prepared,
  schema,
  signed,
  ticket as ticketSchema,
} from "@ioi/wire";
import type { CompliancePlace, CompliantAction } from "../src/compliance.ts";
import type {
  ActInput,
  ActOutputEvent,
  DriverHandlers,
  PrepareOutput,
} from "../src/core/handlers.ts";

/** What is missing, and the case that must see it. */
export const flaws: Readonly<Record<string, string>> = {
  "takes no nonce away": "refuses a used ticket",
  "acts without a ticket": "refuses without a ticket",
  "checks no signature": "refuses a foreign key's ticket",
  "compares no nonce": "refuses the ticket of another nonce",
  "compares no action": "refuses a ticket for another action",
  "compares no target": "refuses a ticket for another target",
  "compares no instance": "refuses a ticket for another instance",
  "compares no session": "refuses a ticket for another session",
  "compares no profile": "refuses a ticket for another profile",
  "has no clock": "refuses a late ticket",
  "forgets counters": "refuses a counter that had its effect",
  "ignores obligations": "refuses an unknown obligation",
  "signs nothing": "performs what a good ticket permits",
  "reports another result": "performs what a good ticket permits",
  "gives no evidence": "performs what a good ticket permits",
  "does not stop": "stops within a second",
  "leaks a descriptor": "leaves no descriptor",
  "leaves a file": "leaves no file of its own",
  "prepares anything": "refuses to prepare what it must not",
  "settles by guess": "settles an effect that never began",
};

interface Waiting {
  readonly actionId: Uint8Array;
  readonly target: string;
  readonly name: string;
  readonly madeMs: number;
}

export class Broken implements CompliancePlace, DriverHandlers {
  readonly handlers: DriverHandlers = this;
  readonly bootKey: SigningKey = nodeCrypto.generate("ed25519");
  readonly instanceId: Uint8Array = nodeCrypto.randomBytes(16);
  readonly session = "s1";
  readonly profileHash: Uint8Array = nodeCrypto.randomBytes(32);
  readonly #instanceKey = nodeCrypto.generate("ed25519");
  readonly #flaw: string | undefined;
  readonly #folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-broken-"));
  readonly #waiting = new Map<string, Waiting>();
  readonly #counters = new Set<bigint>();
  readonly #stops = new Map<string, () => void>();
  #nowMs = 0;
  #effects = 0;
  #leaked: number | undefined;

  constructor(flaw: string | undefined) {
    this.#flaw = flaw;
  }

  async preview(): ReturnType<DriverHandlers["preview"]> {
    const none = new Uint8Array(0);
    const errorMessage = "it shows nothing";
    return {
      statement: none,
      signature: none,
      text: "",
      errorCode: "E_PREVIEW_NONE",
      errorMessage,
    };
  }

  get instancePublicKey(): Uint8Array {
    return this.#instanceKey.publicKey;
  }
  get folders(): readonly string[] {
    return [this.#folder];
  }
  advanceMs(ms: number): void {
    this.#nowMs += ms;
  }
  effect(): CompliantAction {
    return { target: "fs::write", args: { name: "effect" } };
  }
  effects(): number {
    return this.#effects;
  }
  refused(): CompliantAction {
    return { target: "fs::write", args: { name: "forbidden" } };
  }
  endless(): ReturnType<CompliancePlace["endless"]> {
    return {
      action: { target: "fs::write", args: { name: "endless" } },
      running: () => this.#stops.size > 0,
      announces: false,
    };
  }
  leftovers(): readonly string[] {
    return fs.readdirSync(this.#folder);
  }

  #without(flaw: string): boolean {
    return this.#flaw === flaw;
  }

  async prepare(request: { target: string; args: Uint8Array }): Promise<PrepareOutput> {
    const args = decodeCanonical(request.args);
    const map = (args.ok ? args.value : {}) as { readonly [name: string]: CanonicalValue };
    const name = typeof map["name"] === "string" ? map["name"] : "";
    const refused = (errorCode: string): PrepareOutput => ({
      action: new Uint8Array(0),
      prepared: new Uint8Array(0),
      preparedSignature: new Uint8Array(0),
      errorCode,
      errorMessage: "refused",
    });
    if (request.target !== "fs::write") return refused("E_TARGET_UNKNOWN");
    if (name === "forbidden" && !this.#without("prepares anything")) return refused("E_FS_OUTSIDE");
    const action = schema.encode(actionSchema, {
      version: 1,
      target: request.target,
      args: map,
      facts: {},
    });
    const nonce = nodeCrypto.randomBytes(16);
    const id = actionId(nodeCrypto, action);
    const { instanceId } = this;
    const payload = schema.encode(prepared, {
      version: 1,
      instanceId,
      nonce,
      session: "s1",
      actionId: id,
    });
    const { signature } = signPayload(nodeCrypto, this.#instanceKey, domains.prepared, payload);
    const madeMs = this.#nowMs;
    this.#waiting.set(toHex(nonce), { actionId: id, target: request.target, name, madeMs });
    return {
      action,
      prepared: payload,
      preparedSignature: signature,
      errorCode: "",
      errorMessage: "",
    };
  }

  #permits(request: ActInput, waiting: Waiting | undefined): bigint | undefined {
    if (waiting === undefined) return undefined;
    if (request.ticket.length === 0) return this.#without("acts without a ticket") ? 1n : undefined;
    const envelope = schema.decode(signed, request.ticket);
    if (!envelope.ok) return undefined;
    const { publicKey } = this.bootKey;
    const known = verifyPayload(nodeCrypto, "ed25519", publicKey, domains.ticket, envelope.value);
    if (!known.ok && !this.#without("checks no signature")) return undefined;
    let { payload } = envelope.value;
    if (this.#without("ignores obligations")) {
      const loose = decodeCanonical(payload);
      if (!loose.ok) return undefined;
      const fields = loose.value as { readonly [name: string]: CanonicalValue };
      payload = encodeCanonical({ ...fields, obligations: [] });
    }
    const decoded = schema.decode(ticketSchema, payload);
    if (!decoded.ok) return undefined;
    const given = decoded.value;
    const same = (flaw: string, fits: boolean): boolean => fits || this.#without(flaw);
    const fits =
      same("compares no nonce", equalBytes(given.nonce, request.nonce)) &&
      same("compares no action", equalBytes(given.actionId, waiting.actionId)) &&
      same("compares no target", given.target === waiting.target) &&
      same("compares no instance", equalBytes(given.instanceId, this.instanceId)) &&
      same("compares no session", given.session === this.session) &&
      same("compares no profile", equalBytes(given.profileHash, this.profileHash)) &&
      same("has no clock", this.#nowMs - waiting.madeMs <= given.ttlMs) &&
      same(
        "forgets counters",
        !this.#counters.has(given.counter) || this.#without("takes no nonce away"),
      );
    return fits ? given.counter : undefined;
  }

  async *act(request: ActInput): AsyncGenerator<ActOutputEvent> {
    const key = toHex(request.nonce);
    const waiting = this.#waiting.get(key);
    if (!this.#without("takes no nonce away")) this.#waiting.delete(key);
    const counter = this.#permits(request, waiting);
    if (counter === undefined) return yield this.#report(0n, "refused");
    this.#counters.add(counter);
    if (waiting?.name === "endless") {
      if (this.#without("does not stop")) {
        this.#effects += 1;
        return yield this.#report(counter, "confirmed");
      }
      const stopped = Promise.withResolvers<void>();
      this.#stops.set(key, stopped.resolve);
      await stopped.promise;
      this.#stops.delete(key);
      return yield this.#report(counter, "no-effect");
    }
    this.#effects += 1;
    if (this.#without("leaves a file")) fs.writeFileSync(path.join(this.#folder, "left"), "");
    if (this.#without("leaks a descriptor")) this.#leaked ??= fs.openSync(this.#folder, "r");
    yield this.#report(counter, "confirmed");
  }

  #report(counter: bigint, status: "refused" | "confirmed" | "no-effect"): ActOutputEvent {
    const result = encodeCanonical({ bytes: 1 });
    const hashed = this.#without("reports another result") ? encodeCanonical({ bytes: 2 }) : result;
    const payload = schema.encode(outcome, {
      version: 1,
      counter,
      actionId: new Uint8Array(32),
      instanceId: this.instanceId,
      status,
      resultHash: domainHash(nodeCrypto, domains.result, hashed),
      bytes: 0,
      reversible: false,
      evidence: this.#without("gives no evidence") ? {} : { bytes: "1" },
    });
    const { signature } = signPayload(nodeCrypto, this.#instanceKey, domains.outcome, payload);
    return {
      event: {
        case: "result",
        value: {
          outcome: payload,
          outcomeSignature: this.#without("signs nothing") ? new Uint8Array(64) : signature,
          result,
          errorMessage: "",
        },
      },
    };
  }

  async abort(request: { readonly nonce: Uint8Array }): Promise<object> {
    this.#waiting.delete(toHex(request.nonce));
    this.#stops.get(toHex(request.nonce))?.();
    return {};
  }

  async settle(request: { readonly counter: bigint }) {
    const had = this.#counters.has(request.counter) || this.#without("settles by guess");
    return { status: had ? ("confirmed" as const) : ("no-effect" as const), reversible: false };
  }

  async refuse(): Promise<object> {
    return {};
  }

  async input(): Promise<object> {
    return {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#leaked !== undefined) fs.closeSync(this.#leaked);
    fs.rmSync(this.#folder, { recursive: true });
  }
}
