/**
 * The Guardian and a real files driver, each with its own view of the other: the driver opens the
 * profile and every ticket with its own checks, the Guardian opens what the driver signs.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { toHex, unwrap, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { type DisposableHandlers, openDriver, readStart } from "@ioi/drivers";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  action as actionSchema,
  type CanonicalValue,
  encodeCanonical,
  type Outcome,
  outcome as outcomeSchema,
  prepared as preparedSchema,
  schema,
} from "@ioi/wire";
import type { ProposalReply } from "../src/index.ts";
import { answerOf, codeOf, statementOf, TestDriver, World } from "./support.ts";

type Args = { readonly [name: string]: CanonicalValue };

const signal = new AbortController().signal;

interface Acted {
  readonly outcome: Outcome;
  readonly encoded: Uint8Array;
  readonly signature: Uint8Array;
}

class Session implements AsyncDisposable {
  readonly world: World;
  readonly id: string;
  readonly folder: string;
  /** Its key and id are the real driver's. */
  readonly instance: TestDriver;
  readonly handlers: DisposableHandlers;

  private constructor(
    world: World,
    id: string,
    folder: string,
    instance: TestDriver,
    handlers: DisposableHandlers,
  ) {
    this.world = world;
    this.id = id;
    this.folder = folder;
    this.instance = instance;
    this.handlers = handlers;
  }

  static async open(): Promise<Session> {
    const base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-guardian-")));
    const work = path.join(base, "work");
    fs.mkdirSync(work);
    fs.writeFileSync(path.join(work, "a.txt"), "hi\n");
    const world = await World.open();
    const id = await world.utter({ workspace: work, text: "read a.txt" });
    const instance = new TestDriver(world, id);
    const line = JSON.stringify({
      instanceId: toHex(instance.instanceId),
      instanceSeed: toHex(nodeCrypto.exportPrivate(instance.key)),
      guardianIdentity: toHex(world.keys.identity.publicKey),
      bootCertificate: toHex(world.keys.bootCertificate),
      profile: toHex(world.gate.openSession(id).profiles[0] ?? new Uint8Array(0)),
      vault: path.join(base, "vault"),
    });
    const handlers = await openDriver(readStart(nodeCrypto, utf8Encode(line)));
    return new Session(world, id, work, instance, handlers);
  }

  at(name: string): string {
    return path.join(this.folder, name);
  }

  /** What the driver prepares, the Guardian decides. */
  async propose(
    target: string,
    args: Args,
  ): Promise<{ reply: ProposalReply; nonce: Uint8Array; action: Uint8Array }> {
    const made = await this.handlers.prepare({ target, args: encodeCanonical(args) }, { signal });
    assert.equal(made.errorCode, "", made.errorMessage);
    const { action, prepared, preparedSignature } = made;
    const value = unwrap(schema.decode(actionSchema, action), "action");
    const statement = { prepared, preparedSignature };
    const reply = await this.world.propose(this.instance, value, { action, ...statement });
    const { nonce } = unwrap(schema.decode(preparedSchema, prepared), "prepared");
    return { reply, nonce, action };
  }

  async act(
    nonce: Uint8Array,
    ticket: Uint8Array,
    content: Uint8Array = new Uint8Array(0),
  ): Promise<Acted> {
    for await (const { event } of this.handlers.act({ nonce, ticket, content }, { signal })) {
      if (event.case !== "result") continue;
      const { outcome, outcomeSignature } = event.value;
      return {
        outcome: unwrap(schema.decode(outcomeSchema, outcome), "outcome"),
        encoded: outcome,
        signature: outcomeSignature,
      };
    }
    throw new Error("an act without a result");
  }

  async report({ outcome, encoded, signature }: Acted): Promise<string> {
    const { counter } = outcome;
    const unsaid = { status: "", reportedBy: "" };
    return await codeOf(
      this.world.gate.report({ session: this.id, counter, outcome: encoded, signature, ...unsaid }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.handlers[Symbol.dispose]();
    fs.rmSync(path.dirname(this.folder), { recursive: true });
  }
}

const ticketOf = ({ ticket }: ProposalReply): Uint8Array => {
  assert.ok(ticket !== undefined, "a ticket");
  return ticket;
};

test("a ticket says exactly what was prepared, and the driver acts on it once", async () => {
  await using session = await Session.open();
  const { world, instance } = session;
  const { reply, nonce, action } = await session.propose("fs::read", { path: session.at("a.txt") });
  const ticket = world.openTicket(reply.ticket);
  const { policy } = world.gate.openSession(session.id);
  const [, intent] = await world.leaves();
  assert.ok(intent?.type === "intent");
  assert.deepEqual(ticket, {
    version: 1,
    counter: 1n,
    actionId: domainHash(nodeCrypto, domains.action, action),
    target: "fs::read",
    session: session.id,
    agent: "planner",
    policyHash: policy.hash,
    grantsHash: domainHash(nodeCrypto, domains.grants, encodeCanonical([])),
    profileHash: instance.profileHash,
    obligations: [],
    instanceId: instance.instanceId,
    nonce,
    ttlMs: 30_000,
  });
  assert.deepEqual(
    [intent.counter, intent.actionId, intent.policyHash, intent.grantsHash],
    [ticket.counter, ticket.actionId, ticket.policyHash, ticket.grantsHash],
  );
  const acted = await session.act(nonce, ticketOf(reply));
  assert.deepEqual([acted.outcome.status, acted.outcome.bytes], ["confirmed", 3]);
  assert.equal(await session.report(acted), "");
  const again = await session.act(nonce, ticketOf(reply));
  assert.deepEqual([again.outcome.status, again.outcome.code], ["refused", "E_TICKET_MISSING"]);
  assert.equal(await session.report(again), "E_OUTCOME_INVALID", "and is no second outcome");
});

test("an approved write carries its obligation, is done, and can be undone", async () => {
  await using session = await Session.open();
  const { world } = session;
  const content = utf8Encode("other\n");
  const args = {
    path: session.at("a.txt"),
    content: { sha256: nodeCrypto.sha256(content), length: content.length, head: "" },
    create: "any",
  };
  const asked = await session.propose("fs::write", args);
  assert.equal(asked.reply.verdict, "ask");
  await world.person.decide(answerOf(statementOf(world.card(asked.reply.approval ?? ""))));
  const { reply, nonce } = await session.propose("fs::write", args);
  const ticket = world.openTicket(reply.ticket);
  assert.deepEqual(
    ticket.obligations.map(({ type }) => type),
    ["snapshot"],
  );
  assert.deepEqual(
    ticket.grantsHash,
    domainHash(nodeCrypto, domains.grants, encodeCanonical([asked.reply.approval ?? ""])),
  );
  const acted = await session.act(nonce, ticketOf(reply), content);
  assert.deepEqual([acted.outcome.status, acted.outcome.reversible], ["confirmed", true]);
  assert.equal(fs.readFileSync(session.at("a.txt"), "utf8"), "other\n");
  assert.equal(await session.report(acted), "");
});

test("no ticket of this Guardian serves another action, nonce, instance or boot", async () => {
  await using session = await Session.open();
  const { world } = session;
  const [one, two] = [
    await session.propose("fs::read", { path: session.at("a.txt") }),
    await session.propose("fs::stat", { path: session.at("a.txt") }),
  ];
  const swapped = await session.act(one.nonce, ticketOf(two.reply));
  assert.deepEqual(
    [swapped.outcome.status, swapped.outcome.code],
    ["refused", "E_TICKET_MISMATCH"],
  );
  assert.equal(await session.report(swapped), "E_OUTCOME_INVALID");

  const third = await session.propose("fs::read", { path: session.at("a.txt") });
  const forged = Uint8Array.from(ticketOf(third.reply));
  forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
  const refused = await session.act(third.nonce, forged);
  assert.deepEqual(refused.outcome.code, "E_TICKET_SIGNATURE");

  const next = await world.restart();
  session.instance.register(next);
  const made = await session.handlers.prepare(
    { target: "fs::read", args: encodeCanonical({ path: session.at("a.txt") }) },
    { signal },
  );
  const action = unwrap(schema.decode(actionSchema, made.action), "action");
  const reply = await next.propose(session.instance, action, made);
  const { nonce } = unwrap(schema.decode(preparedSchema, made.prepared), "prepared");
  const foreign = await session.act(nonce, ticketOf(reply));
  assert.equal(foreign.outcome.code, "E_TICKET_SIGNATURE", "the next boot has another key");
});

test("what a driver refuses gives the budget back, by its own signed word", async () => {
  await using session = await Session.open();
  const { world, id } = session;
  const left = (): number | undefined =>
    world.core.ledger.budgets.state(id, world.clock.wall())?.actionsLeft;
  const { reply, nonce } = await session.propose("fs::read", { path: session.at("a.txt") });
  assert.equal(left(), 199);
  // Content where none was prepared: refused after the ticket was found good.
  const refused = await session.act(nonce, ticketOf(reply), utf8Encode("x"));
  assert.equal(refused.outcome.code, "E_CONTENT_MISMATCH");
  assert.equal(await session.report(refused), "");
  assert.equal(left(), 200);
});

test("the driver starts on a profile of this boot only", async () => {
  const world = await World.open();
  const other = await World.open({ seed: "other" });
  const id = await world.utter();
  const profile = world.gate.openSession(id).profiles[0] ?? new Uint8Array(0);
  const key = nodeCrypto.generate("ed25519");
  const line = (from: World, given: Uint8Array): Uint8Array =>
    utf8Encode(
      JSON.stringify({
        instanceId: toHex(new Uint8Array(16)),
        instanceSeed: toHex(nodeCrypto.exportPrivate(key)),
        guardianIdentity: toHex(from.keys.identity.publicKey),
        bootCertificate: toHex(from.keys.bootCertificate),
        profile: toHex(given),
        vault: "/tmp/none",
      }),
    );
  const start = readStart(nodeCrypto, line(world, profile));
  assert.deepEqual(
    [start.profile.session, start.profile.kind, start.profile.network],
    [id, "files", "none"],
  );
  assert.deepEqual([...start.profile.masks], ["/home/p/ioi-data", "/opt/ioi"]);
  assert.throws(() => readStart(nodeCrypto, line(other, profile)), { code: "E_DRIVER_START" });
  const changed = profile.with(60, (profile[60] ?? 0) ^ 1);
  assert.throws(() => readStart(nodeCrypto, line(world, changed)), { code: "E_DRIVER_START" });
});
