/**
 * Tickets of every wrong kind, handed to a real driver process in its real sandbox. The suite plays
 * the Guardian, so that it can sign what the Guardian never would, and the Workload, which nobody
 * believes. Harm is the effect itself: a file that appears.
 *
 * Each attack has its control: the same action on the same driver with its right ticket does happen.
 */
import fs from "node:fs";
import path from "node:path";
import { InvariantError, utf8Encode } from "@ioi/base";
import { domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  schema,
  type Ticket,
  ticket as ticketSchema,
} from "@ioi/wire";
import type { SuiteCase, SuiteContext } from "../suites/suite.ts";
import {
  type Authority,
  contentRef,
  type DriverOptions,
  DriverProcess,
  type Ended,
  type Kind,
  makeAuthority,
  type Preparation,
  seal,
  vaults,
} from "./driver-process.ts";
import { Scratch } from "./kernel.ts";
import { judgeStart, startAttacks, startsUndamaged } from "./start-attacks.ts";

const text = utf8Encode("done\n");
const none = new Uint8Array(0);

/** An action of its own for each attack, and whether the world shows it. */
class Deed {
  readonly #driver: DriverProcess;
  readonly #name: string;

  constructor(driver: DriverProcess, name: string) {
    this.#driver = driver;
    this.#name = name;
  }

  get #path(): string {
    return path.join(this.#driver.root, this.#name);
  }

  get content(): Uint8Array {
    return this.#driver.options.kind === "files" ? text : none;
  }

  prepare(driver: DriverProcess = this.#driver): Promise<Preparation> {
    return this.#driver.options.kind === "files"
      ? driver.prepare("fs::write", { path: this.#path, content: contentRef(text), create: "any" })
      : driver.prepare("sys::exec", {
          argv: ["sh", "-c", `echo done > ${this.#name}`],
          cwd: this.#driver.root,
        });
  }

  /** Another action of the same target. */
  prepareHarmless(): Promise<Preparation> {
    return new Deed(this.#driver, "harmless.txt").prepare();
  }

  happened(): boolean {
    return fs.existsSync(this.#path);
  }

  forget(): void {
    fs.rmSync(this.#path, { force: true });
  }
}

/** What an attack works with: the driver under attack and whatever else the attacker has. */
class Stage {
  readonly driver: DriverProcess;
  readonly deed: Deed;
  readonly #nextCounter: () => bigint;

  constructor(driver: DriverProcess, deed: Deed, nextCounter: () => bigint) {
    this.driver = driver;
    this.deed = deed;
    this.#nextCounter = nextCounter;
  }

  counter(): bigint {
    return this.#nextCounter();
  }

  /** The right ticket, changed. */
  ticket(given: Preparation, changes: Partial<Ticket> = {}): Ticket {
    return this.driver.ticket(given, this.counter(), changes);
  }

  act(given: Preparation, ticket: Uint8Array, content: Uint8Array = this.deed.content) {
    return this.driver.act(given.prepared.nonce, ticket, content);
  }

  /** The same action with its right ticket. */
  async control(): Promise<boolean> {
    this.deed.forget();
    const given = await this.deed.prepare();
    await this.act(given, this.driver.signed(this.ticket(given)));
    return this.deed.happened();
  }
}

interface Attack {
  readonly id: string;
  /** The codes that a refusal may have. */
  readonly codes: readonly string[];
  /** Acts wrongly; what the deed shows afterwards is the harm. */
  readonly run: (stage: Stage) => Promise<Ended>;
}

/** The right action under a ticket that is changed in one field. */
const changed = (id: string, code: string, change: (stage: Stage) => Partial<Ticket>): Attack => ({
  id,
  codes: [code],
  run: async (stage) => {
    const given = await stage.deed.prepare();
    return await stage.act(given, stage.driver.signed(stage.ticket(given, change(stage))));
  },
});

/** The right ticket in bytes that are not what the boot key signed as a ticket. */
const forged = (
  id: string,
  codes: readonly string[],
  forge: (ticket: Uint8Array, stage: Stage) => Uint8Array,
): Attack => ({
  id,
  codes,
  run: async (stage) => {
    const given = await stage.deed.prepare();
    const payload = schema.encode(ticketSchema, stage.ticket(given));
    return await stage.act(given, forge(payload, stage));
  },
});

/** A payload changed as no encoder of ours would, under the right key. */
const reencoded = (id: string, change: (fields: Record<string, CanonicalValue>) => void): Attack =>
  forged(id, ["E_TICKET_MALFORMED"], (payload, { driver }) => {
    const decoded = decodeCanonical(payload);
    const fields = { ...(decoded.ok ? (decoded.value as Record<string, CanonicalValue>) : {}) };
    change(fields);
    return seal(driver.options.authority.boot, domains.ticket, encodeCanonical(fields));
  });

const bootOf = ({ driver }: Stage): Authority["boot"] => driver.options.authority.boot;

const forgeries: readonly Attack[] = [
  forged("another-key", ["E_TICKET_SIGNATURE"], (payload) =>
    seal(nodeCrypto.generate("ed25519"), domains.ticket, payload),
  ),
  forged("another-identity", ["E_TICKET_SIGNATURE"], (payload) =>
    seal(makeAuthority().boot, domains.ticket, payload),
  ),
  forged("instance-key", ["E_TICKET_SIGNATURE"], (payload, { driver }) => {
    const own = nodeCrypto.importPrivate("ed25519", driver.instance.seed);
    if (!own.ok) throw new InvariantError(own.error.message);
    return seal(own.value, domains.ticket, payload);
  }),
  forged("another-domain", ["E_TICKET_SIGNATURE"], (payload, stage) =>
    seal(bootOf(stage), domains.profile, payload),
  ),
  forged("flipped-bit", ["E_TICKET_SIGNATURE", "E_TICKET_MALFORMED"], (payload, stage) => {
    const bytes = seal(bootOf(stage), domains.ticket, payload);
    const at = bytes.length >> 2;
    return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
  }),
  forged("cut-short", ["E_TICKET_MALFORMED"], (payload, stage) =>
    seal(bootOf(stage), domains.ticket, payload).subarray(0, -1),
  ),
  forged("no-ticket", ["E_TICKET_MALFORMED"], () => none),
  reencoded("unknown-obligation", (fields) => {
    fields["obligations"] = [{ type: "burn-after-reading" }];
  }),
  reencoded("unknown-field", (fields) => {
    fields["also"] = "more";
  }),
  reencoded("newer-version", (fields) => {
    fields["version"] = 2;
  }),
];

const mismatches: readonly Attack[] = [
  changed("wrong-session", "E_TICKET_MISMATCH", () => ({ session: "s-another" })),
  changed("wrong-profile", "E_TICKET_MISMATCH", () => ({ profileHash: new Uint8Array(32) })),
  changed("wrong-target", "E_TICKET_MISMATCH", () => ({ target: "fs::read" })),
  changed("wrong-action", "E_TICKET_MISMATCH", () => ({
    actionId: nodeCrypto.randomBytes(32),
  })),
  changed("wrong-instance", "E_TICKET_MISMATCH", () => ({
    instanceId: nodeCrypto.randomBytes(16),
  })),
  changed("wrong-nonce", "E_TICKET_MISMATCH", () => ({ nonce: nodeCrypto.randomBytes(16) })),
  {
    id: "ticket-of-another-action",
    codes: ["E_TICKET_MISMATCH"],
    run: async (stage) => {
      const harmless = await stage.deed.prepareHarmless();
      const given = await stage.deed.prepare();
      const { nonce } = given.prepared;
      return await stage.act(given, stage.driver.signed(stage.ticket(harmless, { nonce })));
    },
  },
  {
    id: "expired",
    codes: ["E_TICKET_EXPIRED"],
    run: async (stage) => {
      const given = await stage.deed.prepare();
      const ticket = stage.driver.signed(stage.ticket(given, { ttlMs: 1 }));
      // The driver's clock goes on with ours: two looks at it, five milliseconds apart.
      const from = performance.now();
      while (performance.now() - from < 5) await new Promise((resolve) => setImmediate(resolve));
      return await stage.act(given, ticket);
    },
  },
];

const repetitions: readonly Attack[] = [
  {
    id: "used-twice",
    codes: ["E_TICKET_MISSING"],
    run: async (stage) => {
      const given = await stage.deed.prepare();
      const ticket = stage.driver.signed(stage.ticket(given));
      await stage.act(given, ticket);
      stage.deed.forget();
      return await stage.act(given, ticket);
    },
  },
  {
    id: "used-at-once",
    codes: ["E_TICKET_MISSING"],
    run: async (stage) => {
      const given = await stage.deed.prepare();
      const ticket = stage.driver.signed(stage.ticket(given));
      const both = await Promise.all([stage.act(given, ticket), stage.act(given, ticket)]);
      const refused = both.filter(({ status }) => status === "refused");
      // One of the two is the right one and did it.
      if (refused.length === 1) stage.deed.forget();
      return refused[0] ?? both[0];
    },
  },
  {
    id: "old-ticket-for-the-same-action",
    codes: ["E_TICKET_MISMATCH"],
    run: async (stage) => {
      const first = await stage.deed.prepare();
      const ticket = stage.driver.signed(stage.ticket(first));
      await stage.act(first, ticket);
      stage.deed.forget();
      return await stage.act(await stage.deed.prepare(), ticket);
    },
  },
  {
    id: "counter-used-before",
    codes: ["E_TICKET_USED"],
    run: async (stage) => {
      const counter = stage.counter();
      const first = await stage.deed.prepare();
      await stage.act(first, stage.driver.signed(stage.ticket(first, { counter })));
      stage.deed.forget();
      const given = await stage.deed.prepare();
      return await stage.act(given, stage.driver.signed(stage.ticket(given, { counter })));
    },
  },
  {
    id: "burnt-by-a-wrong-ticket",
    codes: ["E_TICKET_MISSING"],
    run: async (stage) => {
      const given = await stage.deed.prepare();
      await stage.act(given, none);
      return await stage.act(given, stage.driver.signed(stage.ticket(given)));
    },
  },
  {
    id: "without-prepare",
    codes: ["E_TICKET_MISSING"],
    run: async (stage) => {
      const given = await stage.deed.prepare();
      const nonce = nodeCrypto.randomBytes(16);
      const ticket = stage.driver.signed(stage.ticket(given, { nonce }));
      return await stage.driver.act(nonce, ticket, stage.deed.content);
    },
  },
  {
    id: "foreign-instance",
    codes: ["E_TICKET_MISSING"],
    run: async (stage) => {
      await using other = new DriverProcess({ ...stage.driver.options, vault: vaults[1] });
      const given = await stage.deed.prepare(other);
      return await stage.act(given, stage.driver.signed(stage.ticket(given)));
    },
  },
];

/** Of the files driver alone: what is written, and what stands there, is part of the action. */
const ofFiles: readonly Attack[] = [
  changed("obligation-that-cannot-be-kept", "E_OBLIGATION_UNKEPT", () => ({
    obligations: [{ type: "stage" }],
  })),
  {
    id: "other-content",
    codes: ["E_CONTENT_MISMATCH"],
    run: async (stage) => {
      const given = await stage.deed.prepare();
      const ticket = stage.driver.signed(stage.ticket(given));
      return await stage.act(given, ticket, utf8Encode("evil\n"));
    },
  },
];

/** Ends the driver and starts it again: the same identity, key, vault and start-up line. */
const restarted = async (driver: DriverProcess): Promise<DriverProcess> => {
  await driver[Symbol.asyncDispose]();
  return new DriverProcess({ ...driver.options, instance: driver.instance });
};

/** Each on a driver of its own, which it ends. */
const afterRestart: readonly Attack[] = [
  {
    id: "nonce-from-before-a-restart",
    codes: ["E_TICKET_MISSING"],
    run: async (stage) => {
      const given = await stage.deed.prepare();
      const ticket = stage.driver.signed(stage.ticket(given));
      await using again = await restarted(stage.driver);
      return await again.act(given.prepared.nonce, ticket, stage.deed.content);
    },
  },
  {
    id: "counter-from-before-a-restart",
    codes: ["E_TICKET_USED"],
    run: async (stage) => {
      const counter = stage.counter();
      const first = await stage.deed.prepare();
      await stage.act(first, stage.driver.signed(stage.ticket(first, { counter })));
      stage.deed.forget();
      await using again = await restarted(stage.driver);
      const given = await stage.deed.prepare(again);
      const ticket = again.signed(again.ticket(given, counter));
      return await again.act(given.prepared.nonce, ticket, stage.deed.content);
    },
  },
];

const judge = async (id: string, attack: Attack, stage: Stage): Promise<SuiteCase> => {
  // First, since some attacks end their driver.
  const control = await stage.control();
  stage.deed.forget();
  const { status, code, message } = await attack.run(stage);
  const happened = stage.deed.happened();
  const refused = status === "refused" && attack.codes.includes(code);
  const actual = `${status} ${code} ${message}; it ${happened ? "HAPPENED" : "did not happen"}`;
  return {
    id,
    outcome: !control ? "inapplicable" : refused && !happened ? "passed" : "failed",
    expected: `refused with ${attack.codes.join(" or ")}, and it does not happen`,
    actual,
    control: control ? "harmed" : "harmless",
    ...(control ? {} : { reason: "the right ticket did not do it either" }),
  };
};

class Attacks {
  readonly #context: SuiteContext;
  readonly #scratch: Scratch;
  readonly #authority = makeAuthority();
  readonly cases: SuiteCase[] = [];
  #counter = 0n;
  #deeds = 0;

  constructor(context: SuiteContext, scratch: Scratch) {
    this.#context = context;
    this.#scratch = scratch;
  }

  #options(kind: Kind, name: string): DriverOptions {
    const base = this.#scratch.folder(name);
    return { kind, base, authority: this.#authority };
  }

  #isWanted(id: string): boolean {
    this.#context.signal.throwIfAborted();
    const { caseId } = this.#context;
    return caseId === undefined || caseId === id;
  }

  async #attack(id: string, attack: Attack, driver: DriverProcess): Promise<void> {
    this.#context.progress(id);
    const deed = new Deed(driver, `deed-${++this.#deeds}.txt`);
    this.cases.push(await judge(id, attack, new Stage(driver, deed, () => ++this.#counter)));
  }

  async of(kind: Kind, attacks: readonly Attack[]): Promise<void> {
    const wanted = attacks.filter(({ id }) => this.#isWanted(`tickets/${kind}/${id}`));
    if (wanted.length === 0) return;
    await using driver = new DriverProcess(this.#options(kind, kind));
    for (const each of wanted) await this.#attack(`tickets/${kind}/${each.id}`, each, driver);
  }

  async alone(kind: Kind, attacks: readonly Attack[]): Promise<void> {
    for (const each of attacks) {
      const id = `tickets/${kind}/${each.id}`;
      if (!this.#isWanted(id)) continue;
      await using driver = new DriverProcess(this.#options(kind, `${kind}-${each.id}`));
      await this.#attack(id, each, driver);
    }
  }

  async starts(): Promise<void> {
    const wanted = startAttacks.filter((name) => this.#isWanted(`tickets/start/${name}`));
    if (wanted.length === 0) return;
    const options = this.#options("files", "start");
    const control = await startsUndamaged(options);
    for (const name of wanted) {
      this.#context.progress(`tickets/start/${name}`);
      this.cases.push(await judgeStart(`tickets/start/${name}`, name, options, control));
    }
  }
}

/** For `suite sandbox`: case ids begin with `tickets/`. */
export const ticketAttacks = async (context: SuiteContext): Promise<readonly SuiteCase[]> => {
  using scratch = new Scratch();
  const attacks = new Attacks(context, scratch);
  const common = [...forgeries, ...mismatches, ...repetitions];
  await attacks.of("files", [...common, ...ofFiles]);
  await attacks.alone("files", afterRestart);
  await attacks.starts();
  // A command takes its own sandbox each time: in quick mode only what concerns the driver itself.
  await attacks.of("exec", context.quick ? repetitions : common);
  await attacks.alone("exec", context.quick ? [] : afterRestart);
  return attacks.cases;
};
