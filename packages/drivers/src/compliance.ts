/**
 * One suite for every driver: what an act must check, report and leave behind. It speaks to the
 * four methods only, so a driver of any kind, and a deliberately broken one, can stand behind them.
 *
 * Each case says what it expects and what it saw; nothing is thrown for a failed one.
 */
import fs from "node:fs";
import { equalBytes } from "@ioi/base";
import {
  actionId,
  type CryptoProvider,
  domainHash,
  domains,
  signPayload,
  type SigningKey,
  verifyPayload,
} from "@ioi/crypto";
import {
  action as actionSchema,
  type CanonicalValue,
  encodeCanonical,
  type Obligation,
  type Outcome,
  outcome as outcomeSchema,
  type Prepared,
  prepared as preparedSchema,
  schema,
  signed,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";
import type { ActOutput, DriverHandlers } from "./core/handlers.ts";
import { stopMsMax } from "./limits.ts";

export interface CompliantAction {
  readonly target: string;
  readonly args: { readonly [name: string]: CanonicalValue };
  readonly content?: Uint8Array;
}

/** One driver of a kind in a fresh place, with the keys that permit. */
export interface CompliancePlace extends AsyncDisposable {
  readonly handlers: DriverHandlers;
  readonly bootKey: SigningKey;
  readonly instancePublicKey: Uint8Array;
  readonly instanceId: Uint8Array;
  readonly session: string;
  readonly profileHash: Uint8Array;
  /** What a ticket for `effect()` obliges to, where it is not a snapshot. */
  readonly obligations?: readonly Obligation[] | ((prepared: Prepared) => readonly Obligation[]);
  /** Moves the driver's own clock. */
  advanceMs(ms: number): void;
  /** An action with an effect, another one each time. */
  effect(): CompliantAction;
  /** The effects of `effect()` that the world shows. */
  effects(): number;
  /** An action that only looks, where the kind has one. */
  look?(): CompliantAction;
  /** An action whose preparation is refused. */
  refused(): CompliantAction;
  /** An effect that fails half-way, and what it must report; where the kind has one. */
  failing?(): { readonly action: CompliantAction; readonly meanwhile: () => void };
  /**
   * An action that takes long, and whether anything of it still runs. With `announces` it puts
   * something out when it has begun, and is stopped only then.
   */
  endless(): {
    readonly action: CompliantAction;
    readonly running: () => boolean;
    readonly announces: boolean;
  };
  /** Names in the driver's folders that should not be there any more. */
  leftovers(): readonly string[];
  /** The driver's folders: a descriptor into one of them is the driver's. */
  readonly folders: readonly string[];
}

export interface ComplianceCase {
  readonly id: string;
  readonly passed: boolean;
  readonly expected: string;
  readonly actual: string;
}

interface Ready {
  readonly action: CompliantAction;
  readonly prepared: Prepared;
}

type Act = Outcome & { readonly signatureHolds: boolean; readonly resultHolds: boolean };

const never = new AbortController().signal;
const nothing = new Uint8Array(0);

class Suite {
  readonly cases: ComplianceCase[] = [];
  readonly #place: CompliancePlace;
  readonly #provider: CryptoProvider;
  #counter = 1_000_000n;

  constructor(place: CompliancePlace, provider: CryptoProvider) {
    this.#place = place;
    this.#provider = provider;
  }

  check(id: string, expected: string, actual: string): void {
    this.cases.push({ id, passed: expected === actual, expected, actual });
  }

  async prepare(action: CompliantAction): Promise<Ready> {
    const args = encodeCanonical(action.args);
    const reply = await this.#place.handlers.prepare(
      { target: action.target, args },
      { signal: never },
    );
    if (reply.errorCode !== "")
      throw new Error(`prepare: ${reply.errorCode} ${reply.errorMessage}`);
    const statement = schema.decode(preparedSchema, reply.prepared);
    const decoded = schema.decode(actionSchema, reply.action);
    const holds = verifyPayload(
      this.#provider,
      "ed25519",
      this.#place.instancePublicKey,
      domains.prepared,
      { payload: reply.prepared, signature: reply.preparedSignature },
    );
    if (!statement.ok || !decoded.ok) throw new Error("prepare: a reply that does not decode");
    const identified = equalBytes(statement.value.actionId, actionId(this.#provider, reply.action));
    const whole = holds.ok && identified && equalBytes(encodeCanonical(decoded.value.args), args);
    this.check(`prepared is signed and names the action (${action.target})`, "true", String(whole));
    return { action, prepared: statement.value };
  }

  #obligations({ prepared }: Ready): readonly Obligation[] {
    const { obligations = [{ type: "snapshot" }] } = this.#place;
    return typeof obligations === "function" ? obligations(prepared) : obligations;
  }

  ticket(ready: Ready, changes: Partial<Ticket> = {}, key: SigningKey = this.#place.bootKey) {
    const payload = schema.encode(ticketSchema, {
      version: 1,
      counter: ++this.#counter,
      actionId: ready.prepared.actionId,
      target: ready.action.target,
      session: this.#place.session,
      agent: "compliance",
      policyHash: new Uint8Array(32),
      grantsHash: new Uint8Array(32),
      profileHash: this.#place.profileHash,
      obligations: this.#obligations(ready),
      instanceId: ready.prepared.instanceId,
      nonce: ready.prepared.nonce,
      ttlMs: 30_000,
      ...changes,
    });
    return schema.encode(signed, signPayload(this.#provider, key, domains.ticket, payload));
  }

  /** Nobody does anything for it. */
  async #refuse(ticket: Uint8Array, id: number): Promise<void> {
    const envelope = schema.decode(signed, ticket);
    const opened = envelope.ok ? schema.decode(ticketSchema, envelope.value.payload) : envelope;
    const counter = opened.ok ? opened.value.counter : 0n;
    await this.#place.handlers.refuse({ counter, id, reason: "" }, { signal: never });
  }

  async act(
    ready: Ready,
    ticket: Uint8Array,
    nonce = ready.prepared.nonce,
    onOutput = (): void => undefined,
  ): Promise<Act> {
    const content = ready.action.content ?? nothing;
    let last: ActOutput | undefined;
    const request = { nonce, ticket, content };
    for await (const { event } of this.#place.handlers.act(request, { signal: never })) {
      if (event.case === "result") last = event.value;
      else if (event.case === "want") await this.#refuse(ticket, event.value.id);
      else onOutput();
    }
    if (last === undefined) throw new Error("an act without a result");
    const report = schema.decode(outcomeSchema, last.outcome);
    if (!report.ok) throw new Error(`outcome: ${report.error.message}`);
    const signature = { payload: last.outcome, signature: last.outcomeSignature };
    const key = this.#place.instancePublicKey;
    const hash = domainHash(this.#provider, domains.result, last.result);
    return {
      ...report.value,
      signatureHolds: verifyPayload(this.#provider, "ed25519", key, domains.outcome, signature).ok,
      resultHolds: equalBytes(hash, report.value.resultHash),
    };
  }

  /** The act is refused, says so under its signature, and changes nothing. */
  async refuses(id: string, work: () => Promise<Act>): Promise<void> {
    const before = this.#place.effects();
    const { status, signatureHolds } = await work();
    const actual = `${status}, signed ${signatureHolds}, ${this.#place.effects() - before} effects`;
    this.check(id, "refused, signed true, 0 effects", actual);
  }
}

const flipped = (bytes: Uint8Array): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[0] = (copy[0] ?? 0) ^ 1;
  return copy;
};

const ticketCases = async (suite: Suite, place: CompliancePlace, provider: CryptoProvider) => {
  const fresh = (): Promise<Ready> => suite.prepare(place.effect());
  const refusesWith = async (id: string, changes: (ready: Ready) => Partial<Ticket>) => {
    const ready = await fresh();
    await suite.refuses(id, () => suite.act(ready, suite.ticket(ready, changes(ready))));
  };

  let ready = await fresh();
  const before = place.effects();
  const used = suite.ticket(ready);
  const done = await suite.act(ready, used);
  suite.check(
    "performs what a good ticket permits, with evidence",
    "confirmed, signed true, result true, evidence true, 1 effects",
    `${done.status}, signed ${done.signatureHolds}, result ${done.resultHolds}, evidence ${
      Object.keys(done.evidence).length > 0
    }, ${place.effects() - before} effects`,
  );
  await suite.refuses("refuses a used ticket", () => suite.act(ready, used));

  ready = await fresh();
  await suite.refuses("refuses without a ticket", () => suite.act(ready, nothing));
  await suite.refuses("a refused act has used its nonce", () =>
    suite.act(ready, suite.ticket(ready)),
  );

  ready = await fresh();
  const other = await fresh();
  await suite.refuses("refuses the ticket of another nonce", () =>
    suite.act(ready, suite.ticket(other)),
  );
  ready = await fresh();
  const strange = flipped(ready.prepared.nonce);
  await suite.refuses("refuses a nonce that was never made", () =>
    suite.act(ready, suite.ticket(ready, { nonce: strange }), strange),
  );

  ready = await fresh();
  await suite.refuses("refuses a foreign key's ticket", () =>
    suite.act(ready, suite.ticket(ready, {}, provider.generate("ed25519"))),
  );
  await refusesWith("refuses a ticket for another action", ({ prepared }) => ({
    actionId: flipped(prepared.actionId),
  }));
  await refusesWith("refuses a ticket for another target", () => ({ target: "fs::other" }));
  await refusesWith("refuses a ticket for another instance", ({ prepared }) => ({
    instanceId: flipped(prepared.instanceId),
  }));
  await refusesWith("refuses a ticket for another session", () => ({ session: "another" }));
  await refusesWith("refuses a ticket for another profile", () => ({
    profileHash: flipped(place.profileHash),
  }));

  ready = await fresh();
  const late = suite.ticket(ready, { ttlMs: 1_000 });
  place.advanceMs(1_001);
  await suite.refuses("refuses a late ticket", () => suite.act(ready, late));
  ready = await fresh();
  place.advanceMs(900);
  const inTime = await suite.act(ready, suite.ticket(ready, { ttlMs: 1_000 }));
  suite.check("performs with a ticket that is in time", "confirmed", inTime.status);

  ready = await fresh();
  const counter = 77n;
  await suite.act(ready, suite.ticket(ready, { counter }));
  ready = await fresh();
  await suite.refuses("refuses a counter that had its effect", () =>
    suite.act(ready, suite.ticket(ready, { counter })),
  );
};

const unknownObligation = async (
  suite: Suite,
  place: CompliancePlace,
  provider: CryptoProvider,
) => {
  const ready = await suite.prepare(place.effect());
  // The schema of this version cannot say it, so the bytes are made by hand.
  const known = schema.decode(signed, suite.ticket(ready));
  if (!known.ok) throw new Error("a ticket that does not decode");
  const decoded = schema.decode(ticketSchema, known.value.payload);
  if (!decoded.ok) throw new Error("a ticket that does not decode");
  const payload = encodeCanonical({
    ...(ticketSchema.toCanonical(decoded.value) as { [name: string]: CanonicalValue }),
    obligations: [{ type: "blindfold" }],
  });
  const sealed = signPayload(provider, place.bootKey, domains.ticket, payload);
  await suite.refuses("refuses an unknown obligation", () =>
    suite.act(ready, schema.encode(signed, sealed)),
  );
};

const reportCases = async (suite: Suite, place: CompliancePlace): Promise<void> => {
  const { target, args } = place.refused();
  const reply = await place.handlers.prepare(
    { target, args: encodeCanonical(args) },
    { signal: never },
  );
  suite.check("refuses to prepare what it must not", "true", String(reply.errorCode !== ""));
  const unknown = await place.handlers.prepare(
    { target: "no::such", args: encodeCanonical({}) },
    { signal: never },
  );
  suite.check("refuses a foreign target", "E_TARGET_UNKNOWN", unknown.errorCode);
  if (place.look !== undefined) {
    const ready = await suite.prepare(place.look());
    const before = place.effects();
    const looked = await suite.act(ready, suite.ticket(ready));
    const actual = `${looked.status}, ${place.effects() - before} effects`;
    suite.check("looks without an effect", "confirmed, 0 effects", actual);
  }
  if (place.failing !== undefined) {
    const { action, meanwhile } = place.failing();
    const ready = await suite.prepare(action);
    meanwhile();
    const failed = await suite.act(ready, suite.ticket(ready));
    const honest = ["refused", "no-effect", "partial"].includes(failed.status);
    suite.check(
      "reports what it could not do",
      "true",
      String(honest && failed.code !== undefined),
    );
  }
  const ready = await suite.prepare(place.effect());
  const done = await suite.act(ready, suite.ticket(ready, { counter: 88n }));
  const settled = await place.handlers.settle({ counter: 88n }, { signal: never });
  suite.check("settles as it reported", done.status, settled.status);
  const never88 = await place.handlers.settle({ counter: 89n }, { signal: never });
  suite.check("settles an effect that never began", "no-effect", never88.status);
};

const stopCases = async (suite: Suite, place: CompliancePlace): Promise<void> => {
  const { action, running, announces } = place.endless();
  const ready = await suite.prepare(action);
  const begun = Promise.withResolvers<void>();
  const { nonce } = ready.prepared;
  const acting = suite.act(ready, suite.ticket(ready), nonce, begun.resolve);
  await (announces ? begun.promise : new Promise((resolve) => setImmediate(resolve)));
  const began = performance.now();
  await place.handlers.abort({ nonce: ready.prepared.nonce }, { signal: never });
  const ended = await acting;
  const ms = performance.now() - began;
  suite.check(
    "stops within a second, with nothing left running",
    "stopped true, running false, in time true",
    `stopped ${ended.status !== "confirmed"}, running ${running()}, in time ${ms < stopMsMax}`,
  );
};

/** Whoever runs the suite opens files of its own meanwhile: only the driver's count. */
const openDescriptors = (folders: readonly string[]): readonly string[] =>
  fs
    .readdirSync("/proc/self/fd")
    .flatMap((fd) => {
      try {
        return [fs.readlinkSync(`/proc/self/fd/${fd}`)];
      } catch {
        return [];
      }
    })
    .filter((target) => folders.some((each) => target === each || target.startsWith(`${each}/`)))
    .sort();

/** Runs every case against a fresh place. */
export const complianceSuite = async (
  open: () => CompliancePlace | Promise<CompliancePlace>,
  provider: CryptoProvider,
): Promise<readonly ComplianceCase[]> => {
  const place = await open();
  const suite = new Suite(place, provider);
  const before = openDescriptors(place.folders);
  try {
    await ticketCases(suite, place, provider);
    await unknownObligation(suite, place, provider);
    await reportCases(suite, place);
    await stopCases(suite, place);
    // What waits for a ticket holds its descriptors; age takes it away, at the next look.
    place.advanceMs(3_600_000);
    const last = await suite.prepare(place.effect());
    await place.handlers.abort({ nonce: last.prepared.nonce }, { signal: never });
    suite.check("leaves no descriptor", before.join(" "), openDescriptors(place.folders).join(" "));
    suite.check("leaves no file of its own", "", place.leftovers().join(" "));
  } finally {
    await place[Symbol.asyncDispose]();
  }
  return suite.cases;
};
