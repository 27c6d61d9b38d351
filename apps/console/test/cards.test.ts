/** What waits for a person, as the Guardian says it, and where an answer goes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { decisionStatement, pb, previewStatement, type PreviewStatement, schema } from "@ioi/wire";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { CallContext } from "../src/http/connect.ts";
import type { Kernel } from "../src/kernel.ts";
import { planMs, plansMax } from "../src/limits.ts";
import { cardCalls, deviceState } from "../src/service/cards.ts";
import { type Plan, Plans } from "../src/service/plans.ts";

const hash = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

const hashOf = (text: string): Uint8Array => domainHash(nodeCrypto, domains.card, utf8Encode(text));

const approvalOf = (id: string, card: string, cardHash = hashOf(card)): pb.Approval =>
  create(pb.ApprovalSchema, {
    id,
    session: "s-1",
    actionId: hash(1),
    target: "fs::read",
    card,
    cardHash,
    asks: [{ kind: "rule", id: "dotfiles" }],
    policyHash: hash(2),
    createdMs: 1n,
    expiresMs: 2n,
    sessionScope: true,
    patternScope: true,
  });

const context = (browser = "mine"): CallContext => ({
  browser,
  signal: new AbortController().signal,
});

interface World {
  readonly approvals?: readonly pb.Approval[];
  readonly devices?: readonly pb.Device[] | "unknown";
  readonly accept?: () => Promise<object>;
  readonly changes?: readonly pb.PolicyChange[];
}

const worldOf = ({ approvals = [], devices = [], accept, changes = [] }: World = {}) => {
  const calls: string[] = [];
  const kernel = {
    sessions: async () => ({
      showChange: async ({ approval }: { readonly approval: string }) => {
        calls.push(`show ${approval}`);
        return {};
      },
    }),
    person: async () => ({
      listApprovals: async () => ({ approvals }),
      decide: async ({ reason }: { readonly reason: string }) => {
        calls.push(`decide ${reason}`);
        return {};
      },
      revoke: async ({ session }: { readonly session: string }) => {
        calls.push(`revoke ${session}`);
        return {};
      },
    }),
    devices: async () => ({
      listDevices: async () => {
        if (devices !== "unknown") return { devices };
        throw new OperationError("E_RPC_UNKNOWN_METHOD", "no such method");
      },
    }),
    policy: async () => ({
      listPolicyChanges: async () => ({ changes }),
      savePolicy: async ({ statement }: { readonly statement: Uint8Array }) => {
        calls.push(`save ${statement.length}`);
        return {};
      },
      withdrawPolicy: async ({ id }: { readonly id: string }) => {
        calls.push(`withdraw ${id}`);
        return {};
      },
    }),
    scopes: async () => ({
      acceptScope: async () => {
        calls.push("accept");
        return await (accept ?? (async () => ({})))();
      },
    }),
  } as unknown as Kernel;
  const plans = new Plans();
  let nowMs = 1_000_000;
  const cards = cardCalls({
    kernel,
    plans,
    nowMs: () => nowMs,
    origin: "http://approve.localhost:9001",
    dataOption: " --data '/tmp/d'",
    begin: async ({ session }) => void calls.push(`begin ${session}`),
    onChange: () => void calls.push("change"),
    onDevice: (browser, device) => void calls.push(`device ${browser} ${device.length}`),
  });
  return { cards, plans, calls, pass: (ms: number) => (nowMs += ms) };
};

const planOf = (session: string, changes: Partial<Plan> = {}): Plan => {
  const card = `scope of ${session}`;
  return {
    session,
    browser: "mine",
    text: "words",
    workspace: "",
    agent: "model",
    model: "",
    microusdMax: 0n,
    wallMinutesMax: 0,
    scope: create(pb.ProposeScopeReplySchema, {
      card,
      cardHash: hashOf(card),
      canonical: utf8Encode(session),
    }),
    plannedMs: 1_000_000,
    ...changes,
  };
};

const listed = async (world: ReturnType<typeof worldOf>, browser?: string): Promise<string[]> => {
  const request = { device: new Uint8Array(0) } as Parameters<typeof world.cards.listCards>[0];
  const { cards = [] } = await world.cards.listCards(request, context(browser));
  return cards.map(({ kind, id }) => `${kind} ${id}`);
};

test("a card's statements say what the Guardian asked, three ways", async () => {
  const { cards } = worldOf({ approvals: [approvalOf("a-1", "read .env")] });
  const request = { device: hash(9) } as Parameters<typeof cards.listCards>[0];
  const { cards: [card] = [] } = await cards.listCards(request, context());
  assert.deepEqual(
    [card?.text, card?.reasons],
    ["read .env", ["the policy's rule asks: dotfiles"]],
  );
  for (const [bytes, decision, scope] of [
    [card?.statementOnce, "approve", "once"],
    [card?.statementSession, "approve", "session"],
    [card?.statementPattern, "approve", "pattern"],
    [card?.statementDeny, "deny", "once"],
  ] as const) {
    const decoded = schema.decode(decisionStatement, bytes ?? new Uint8Array(0));
    assert.deepEqual(decoded.ok && decoded.value, {
      version: 1,
      approval: "a-1",
      session: "s-1",
      actionId: hash(1),
      cardHash: hashOf("read .env"),
      decision,
      scope,
      discharges: [{ kind: "rule", id: "dotfiles" }],
      policyHash: hash(2),
    });
  }
});

test("a card whose text is not the one that would be signed is not shown", async () => {
  const world = worldOf({
    approvals: [approvalOf("a-1", "one thing", hashOf("another")), approvalOf("a-2", "true")],
  });
  assert.deepEqual(await listed(world), ["approval a-2"]);
});

test("a scope card is shown to the browser that planned it, newest first, for an hour", async () => {
  const world = worldOf({ approvals: [approvalOf("a-1", "ask")] });
  world.plans.put(planOf("s-old"));
  world.plans.put(planOf("s-new", { plannedMs: 1_000_001 }));
  world.plans.put(planOf("s-plain", { scope: undefined }));
  world.plans.put(planOf("s-other", { browser: "theirs" }));
  assert.deepEqual(await listed(world), ["scope s-new", "scope s-old", "approval a-1"]);
  assert.deepEqual(await listed(world, "theirs"), ["scope s-other", "approval a-1"]);
  world.pass(planMs + 1);
  assert.deepEqual(await listed(world), ["scope s-new", "approval a-1"]);
});

const answer = (kind: string, id: string, statement = utf8Encode("x"), reason = "") =>
  ({ kind, id, statement, signature: hash(1), device: hash(2), reason }) as Parameters<
    ReturnType<typeof worldOf>["cards"]["decide"]
  >[0];

test("an accepted scope begins its task, once; a refused one revokes and signs nothing", async () => {
  const world = worldOf();
  world.plans.put(planOf("s-1"));
  world.plans.put(planOf("s-2"));
  await world.cards.decide(answer("scope", "s-1"), context());
  assert.deepEqual(world.calls, ["accept", "begin s-1", "change"]);
  await assert.rejects(world.cards.decide(answer("scope", "s-1"), context()), {
    code: "E_CONSOLE_PLAN_GONE",
  });
  world.calls.length = 0;
  await world.cards.decide(answer("scope", "s-2", new Uint8Array(0)), context());
  assert.deepEqual(world.calls, ["revoke s-2", "change"]);
});

test("a scope that the Guardian refuses begins nothing, and may be answered again", async () => {
  const world = worldOf({
    accept: async () => {
      throw new OperationError("E_APPROVAL_INVALID", "not signed by a paired device");
    },
  });
  world.plans.put(planOf("s-1"));
  const refused = world.cards.decide(answer("scope", "s-1"), context());
  await assert.rejects(refused, { code: "E_APPROVAL_INVALID" });
  assert.deepEqual(world.calls, ["accept"]);
  assert.deepEqual(await listed(world), ["scope s-1"]);
});

test("an answer goes to the Guardian as it is, and other kinds nowhere", async () => {
  const world = worldOf();
  await world.cards.decide(answer("approval", "a-1", utf8Encode("x"), "not that"), context());
  assert.deepEqual(world.calls, ["decide not that", "change"]);
  const other = world.cards.decide(answer("wallet", "a-1"), context());
  await assert.rejects(other, { code: "E_CONSOLE_REQUEST" });
});

test("a kernel that pairs no devices leaves the cards readable", async () => {
  const world = worldOf({ approvals: [approvalOf("a-1", "ask")], devices: "unknown" });
  assert.deepEqual(await listed(world), ["approval a-1"]);
});

test("a browser's key is none, waits for its code, or is paired", () => {
  const devices = [
    create(pb.DeviceSchema, { id: hash(1), waits: true }),
    create(pb.DeviceSchema, { id: hash(2), waits: false }),
  ];
  const states = [hash(1), hash(2), hash(3), new Uint8Array(0)].map((id) =>
    deviceState(devices, id),
  );
  assert.deepEqual(states, ["waiting", "paired", "none", "none"]);
});

test("plans are bounded: of too many the oldest is forgotten", () => {
  const plans = new Plans();
  for (let n = 0; n <= plansMax; n++) plans.put(planOf(`s-${n}`));
  assert.equal(plans.get("s-0"), undefined);
  assert.equal(plans.waiting("mine", 0).length, plansMax);
});

test("a change is shown where its driver signed it for this action, else in words", async () => {
  const text = "1 byte becomes 2\n-a\n+\u27e8U+202E\u27e9b\n";
  const statement = (changes: Partial<PreviewStatement> = {}): Uint8Array =>
    schema.encode(previewStatement, {
      version: 1,
      instanceId: hash(1).slice(0, 16),
      nonce: hash(2).slice(0, 16),
      session: "s-1",
      actionId: hash(1),
      textHash: domainHash(nodeCrypto, domains.preview, utf8Encode(text)),
      ...changes,
    });
  const none = new Uint8Array(0);
  const shownOf = async (
    preview: MessageInitShape<typeof pb.PreviewSchema> | undefined,
  ): Promise<string[]> => {
    const approval = approvalOf("a-1", "write a");
    const made = preview === undefined ? undefined : create(pb.PreviewSchema, preview);
    const { cards } = worldOf({ approvals: [made ? { ...approval, preview: made } : approval] });
    const request = { device: none } as Parameters<typeof cards.listCards>[0];
    const { cards: [card] = [] } = await cards.listCards(request, context());
    return [card?.previewState ?? "", card?.preview ?? ""];
  };
  const there = { state: "there", text, statement: statement() };
  assert.deepEqual(await shownOf(there), ["there", text]);
  const foreign = ["missing", "not available: it is not of this action"];
  for (const lie of [
    { ...there, text: `${text}+more\n` },
    { ...there, statement: statement({ actionId: hash(9) }) },
    { ...there, statement: none },
    {
      ...there,
      text: "\u202E",
      statement: statement({
        textHash: domainHash(nodeCrypto, domains.preview, utf8Encode("\u202E")),
      }),
    },
  ]) {
    assert.deepEqual(await shownOf(lie), foreign);
  }
  assert.deepEqual(await shownOf({ state: "coming" }), ["coming", "is being made"]);
  const without = approvalOf("a-2", "write b");
  without.preview = create(pb.PreviewSchema, { state: "missing", why: "it ended" });
  const world = worldOf({ approvals: [without] });
  assert.deepEqual(await listed(world), ["approval a-2"]);
  assert.deepEqual(await listed(world), ["approval a-2"]);
  assert.deepEqual(world.calls, ["show a-2"], "looked at once more, and once only");
  const why = "the file may not be read";
  assert.deepEqual(await shownOf({ state: "missing", why }), ["missing", `not available: ${why}`]);
  assert.deepEqual(await shownOf({ state: "none" }), ["none", ""]);
  assert.deepEqual(await shownOf(undefined), ["none", ""]);
});

test("a change of the policy is a card whose statement is the Guardian's; a refusal withdraws it", async () => {
  const text = "Put another text of policy.toml in force\n";
  const change = (id: string, cardHash: Uint8Array): pb.PolicyChange =>
    create(pb.PolicyChangeSchema, {
      id,
      card: text,
      cardHash,
      statement: utf8Encode("signed as it is"),
      expiresMs: 5n,
    });
  // The second card's hash is of another text: it is not shown.
  const world = worldOf({ changes: [change("p-1", hashOf(text)), change("p-2", hash(3))] });
  assert.deepEqual(await listed(world), ["policy p-1"]);
  const request = { device: hash(9) } as Parameters<typeof world.cards.listCards>[0];
  const { cards: [card] = [] } = await world.cards.listCards(request, context());
  assert.deepEqual(card?.statementOnce, utf8Encode("signed as it is"));
  assert.deepEqual(
    [card?.statementSession, card?.statementPattern, card?.statementDeny],
    [new Uint8Array(0), new Uint8Array(0), new Uint8Array(0)],
  );
  const answer = (statement: Uint8Array) =>
    world.cards.decide(
      { kind: "policy", id: "p-1", statement, signature: hash(1), device: hash(2) } as Parameters<
        typeof world.cards.decide
      >[0],
      context(),
    );
  await answer(utf8Encode("signed as it is"));
  await answer(new Uint8Array(0));
  assert.deepEqual(
    world.calls.filter((each) => !each.startsWith("device")),
    ["save 15", "change", "withdraw p-1", "change"],
  );
});
