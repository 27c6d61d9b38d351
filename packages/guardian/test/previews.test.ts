/** What an action that asks would change: shown where its own driver signed it, and only then. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError, utf8Encode } from "@ioi/base";
import { domainHash, domains, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  type Action,
  prepared as preparedSchema,
  previewStatement,
  type PreviewStatement,
  schema,
} from "@ioi/wire";
import type { GivenPreview } from "../src/index.ts";
import { previewWaitMs } from "../src/limits.ts";
import { answerOf, inWork, readOf, statementOf, TestDriver, World, writeOf } from "./support.ts";

const before = nodeCrypto.sha256(utf8Encode("old"));
const over: Action = {
  ...writeOf(inWork("a.txt"), "new"),
  facts: { path: { realPath: inWork("a.txt"), exists: true, kind: "file", size: 3, before } },
};
const shown = "3 bytes become 3\n@@ -1,1 +1,1 @@\n-old\n+new\n";
const none = new Uint8Array(0);

interface Asked {
  readonly world: World;
  readonly driver: TestDriver;
  readonly approval: string;
  readonly fits: PreviewStatement;
}

const asked = async (action: Action = over): Promise<Asked> => {
  const world = await World.open();
  const { driver } = await world.session();
  const proposal = world.proposal(driver, action);
  const reply = await world.gate.propose(proposal);
  assert.equal(reply.verdict, "ask");
  const made = schema.decode(preparedSchema, proposal.prepared);
  assert.ok(made.ok);
  const { instanceId, nonce, session, actionId } = made.value;
  const content = action.args["content"] as { readonly sha256: Uint8Array } | undefined;
  const was = action.facts["path"]?.before;
  const fits: PreviewStatement = {
    version: 1,
    instanceId,
    nonce,
    session,
    actionId,
    ...(was === undefined ? {} : { before: was }),
    ...(content === undefined ? {} : { after: content.sha256 }),
    textHash: domainHash(nodeCrypto, domains.preview, utf8Encode(shown)),
  };
  return { world, driver, approval: reply.approval ?? "", fits };
};

const given = (
  { driver, approval, fits }: Asked,
  changes: Partial<PreviewStatement> = {},
  { key = driver.key, text = shown, session = driver.session } = {},
): GivenPreview => {
  const statement = schema.encode(previewStatement, { ...fits, ...changes });
  const { signature } = signPayload(nodeCrypto, key, domains.preview, statement);
  return { session, approval, statement, signature, text, missing: "" };
};

const codeOf = (work: () => void): string | undefined => {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return error.code;
  }
};

test("a preview is on the card once its driver signed it, and the first one stands", async () => {
  const its = await asked();
  const { world, approval } = its;
  assert.deepEqual(world.card(approval).preview, {
    state: "coming",
    text: "",
    statement: none,
    why: "",
  });
  const first = given(its);
  world.gate.preview(first);
  const { preview, card, cardHash } = world.card(approval);
  assert.deepEqual(preview, {
    state: "there",
    text: shown,
    statement: first.statement,
    why: "",
  });
  assert.match(card, /its content goes: sha256 [0-9a-f]{16}/);
  assert.equal(
    codeOf(() => world.gate.preview(first)),
    "E_PREVIEW_INVALID",
  );
  // It is beside the card: the person's signature is the same with and without it.
  assert.deepEqual(cardHash, domainHash(nodeCrypto, domains.card, utf8Encode(card)));
  await world.person.decide(answerOf(statementOf(world.card(approval))));
  assert.equal(
    codeOf(() => world.gate.preview(first)),
    "E_PREVIEW_INVALID",
  );
});

const hash = new Uint8Array(32).fill(3);
const lies: readonly (readonly [string, (its: Asked) => GivenPreview])[] = [
  ["signed by somebody else", (its) => given(its, {}, { key: nodeCrypto.generate("ed25519") })],
  ["with a signature of other bytes", (its) => ({ ...given(its), statement: none })],
  ["of another action", (its) => given(its, { actionId: hash })],
  ["of another instance", (its) => given(its, { instanceId: hash.slice(0, 16) })],
  ["of another session's driver", (its) => given(its, { session: "s-other" })],
  ["from another content", (its) => given(its, { before: hash })],
  ["to another content", (its) => given(its, { after: hash })],
  ["of a text that was not signed", (its) => given(its, {}, { text: `${shown}+more\n` })],
  ...["\u202E", "\u200B", "\0", "\r", "\u001B[2J"].map(
    (hidden) =>
      [
        `that hides U+${hidden.charCodeAt(0).toString(16)}`,
        (its: Asked) => {
          const text = `${shown}+a${hidden}b\n`;
          const textHash = domainHash(nodeCrypto, domains.preview, utf8Encode(text));
          return given(its, { textHash }, { text });
        },
      ] as const,
  ),
  ...[`${"x".repeat(33_000)}\n`, "+\n".repeat(500)].map(
    (text) =>
      [
        `of ${text.length} characters`,
        (its: Asked) => {
          const textHash = domainHash(nodeCrypto, domains.preview, utf8Encode(text));
          return given(its, { textHash }, { text });
        },
      ] as const,
  ),
];

for (const [what, lie] of lies) {
  test(`a preview ${what} is refused, and the card says that there is none`, async () => {
    const its = await asked();
    assert.equal(
      codeOf(() => its.world.gate.preview(lie(its))),
      "E_PREVIEW_INVALID",
    );
    const { state, text, why } = its.world.card(its.approval).preview;
    assert.deepEqual(
      [state, text, why],
      ["missing", "", "what the driver showed does not fit the action"],
    );
    // The control: the true one, to another ask of the same action.
    const control = await asked();
    control.world.gate.preview(given(control));
    assert.equal(control.world.card(control.approval).preview.state, "there");
  });
}

test("a driver that has ended, a foreign session and an unknown ask show nothing", async () => {
  const its = await asked();
  const foreign = given(its, {}, { session: "s-other" });
  assert.equal(
    codeOf(() => its.world.gate.preview(foreign)),
    "E_PREVIEW_INVALID",
  );
  assert.equal(its.world.card(its.approval).preview.state, "coming", "another's try ends nothing");
  const unknown = { ...given(its), approval: "a-0000000000" };
  assert.equal(
    codeOf(() => its.world.gate.preview(unknown)),
    "E_PREVIEW_INVALID",
  );
  its.world.core.instanceGone(Buffer.from(its.driver.instanceId).toString("hex"));
  assert.equal(
    codeOf(() => its.world.gate.preview(given(its))),
    "E_PREVIEW_INVALID",
  );
});

test("where nothing comes the card says so in words", async () => {
  const its = await asked();
  const { world, approval } = its;
  world.gate.preview({
    ...given(its),
    statement: none,
    signature: none,
    text: "",
    missing: "E_FS_CHANGED",
  });
  assert.equal(world.card(approval).preview.why, "the file was changed meanwhile");
  // What was missing may come when somebody looks again.
  world.gate.preview(given(its));
  assert.equal(world.card(approval).preview.state, "there");
  const late = await asked();
  await late.world.clock.advance(previewWaitMs);
  assert.equal(late.world.card(late.approval).preview.why, "its driver showed nothing");
  const careful = await World.open();
  const { driver } = await careful.session();
  const reply = await careful.propose(driver, readOf(inWork("careful/a.txt")));
  assert.equal(careful.card(reply.approval ?? "").preview.state, "none");
  const odd = { ...given(its), approval: reply.approval ?? "", session: driver.session };
  assert.equal(
    codeOf(() => careful.gate.preview(odd)),
    "E_PREVIEW_INVALID",
  );
});

test("after a restart a new driver of the session shows the same action", async () => {
  const its = await asked();
  its.world.gate.preview(given(its));
  const world = await its.world.restart();
  const { approval } = its;
  assert.notEqual(world.card(approval).preview.state, "there");
  assert.equal(
    codeOf(() => world.gate.preview(given(its))),
    "E_PREVIEW_INVALID",
    "the old one",
  );
  const driver = new TestDriver(world, its.driver.session);
  const changes = { instanceId: driver.instanceId, nonce: hash.slice(0, 16) };
  world.gate.preview(given({ ...its, driver }, changes));
  assert.equal(world.card(approval).preview.state, "there");
});

test("a driver of another kind or session shows nothing", async () => {
  for (const kind of ["files", "exec"] as const) {
    const its = await asked();
    const session = kind === "exec" ? its.driver.session : await its.world.utter();
    const driver = new TestDriver(its.world, session, kind);
    const lie = given(its, { instanceId: driver.instanceId }, { key: driver.key });
    assert.equal(
      codeOf(() => its.world.gate.preview(lie)),
      "E_PREVIEW_INVALID",
    );
  }
});
