/** Slices of memories: given to one key, once, with what shows them; refused when anything is altered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError, SeededRandom, toHex } from "@ioi/base";
import {
  generateSealingKeys,
  type SealingKeys,
  sealingPublicKey,
  signCheckpoint,
} from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles } from "@ioi/sim";
import { schema } from "@ioi/wire";
import {
  agentId,
  encodeRecallProof,
  type NewMemory,
  openSlice,
  receiveSlice,
  sealSlice,
} from "../src/index.ts";
import { sharedSlice } from "../src/share/messages.ts";
import { type Made, madeProof } from "./recall-support.ts";
import { textOf } from "./support.ts";

const atMs = 1_700_000_000_000;
const guardian = nodeCrypto.generate("ml-dsa-65");
const other = nodeCrypto.generate("ml-dsa-65");
const keys = generateSealingKeys(nodeCrypto);
const from = agentId(nodeCrypto, guardian.publicKey);

const checkpointOf = ({ document, logRoot, logSize }: Made, key = guardian): string =>
  signCheckpoint(nodeCrypto, key, {
    origin: `ioi/scs/${toHex(document.store)}`,
    size: logSize,
    root: logRoot,
    extensions: [],
  });

const sealed = (made: Made, checkpoint?: string, to: SealingKeys = keys): Uint8Array => {
  const slice = sealSlice(nodeCrypto, {
    from,
    recipient: sealingPublicKey(to),
    atMs,
    proof: encodeRecallProof(made.document),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  });
  assert.ok(slice.ok);
  return slice.value;
};

const refusal = (bytes: Uint8Array, open: Parameters<typeof openSlice>[2]): string => {
  const opened = openSlice(nodeCrypto, bytes, open);
  return opened.ok ? "opened" : `${opened.error.code}: ${opened.error.message}`;
};

const made = madeProof("slice", 12, [3, 9]);

test("a slice gives its memories as somebody else's, vouched for by the sharer's Guardian", () => {
  const opened = openSlice(nodeCrypto, sealed(made, checkpointOf(made)), {
    keys,
    sharer: guardian.publicKey,
  });
  assert.ok(opened.ok, opened.ok ? "" : opened.error.message);
  const { isVouched, memories } = opened.value;
  assert.equal(isVouched, true);
  assert.deepEqual(memories[1], {
    text: textOf(9),
    mediaType: "text/plain",
    origin: { kind: "shared", from: `${toHex(from)}: user test` },
    source: `ioi-scs:${toHex(made.document.store)}/9`,
    tags: ["n0"],
  });
});

test("without the sharer's key nobody vouches, and the label says so", () => {
  const opened = openSlice(nodeCrypto, sealed(made), { keys });
  assert.ok(opened.ok);
  assert.equal(opened.value.isVouched, false);
  assert.match(opened.value.memories[0]?.origin.from ?? "", /^unverified [0-9a-f]{64}: user/);
});

test("another key, another sharer, another log, an altered proof: refused", () => {
  const good = sealed(made, checkpointOf(made));
  const open = { keys, sharer: guardian.publicKey };
  assert.equal(refusal(good, open), "opened");
  assert.match(refusal(good, { ...open, keys: generateSealingKeys(nodeCrypto) }), /^E_SLICE_KEY/);
  assert.match(refusal(good, { keys, sharer: other.publicKey }), /another agent/);
  assert.match(refusal(sealed(made), open), /no checkpoint/);
  assert.match(refusal(sealed(made, checkpointOf(made, other)), open), /E_SLICE_INVALID: no sign/);
  const later = { ...made, logSize: 13 };
  assert.match(refusal(sealed(made, checkpointOf(later)), open), /checkpoint is of another log/);
  const [first = assert.fail(), ...rest] = made.document.answers;
  const changed = { ...first, content: first.content.slice().fill(0x61, -3) };
  const lying = { ...made, document: { ...made.document, answers: [changed, ...rest] } };
  assert.match(refusal(sealed(lying, checkpointOf(made)), open), /its proof: a content is not/);
  const none = { ...made, document: { ...made.document, answers: [] } };
  assert.match(refusal(sealed(none, checkpointOf(made)), open), /holds no memory/);
});

test("who it is from and to is sealed with it", () => {
  const outer = schema.decode(sharedSlice, sealed(made));
  assert.ok(outer.ok);
  const swapped = (change: object): Uint8Array =>
    schema.encode(sharedSlice, { ...outer.value, ...change });
  const stranger = agentId(nodeCrypto, other.publicKey);
  assert.equal(refusal(swapped({}), { keys }), "opened");
  assert.match(refusal(swapped({ from: stranger }), { keys }), /E_SLICE_INVALID: the box does not/);
  assert.match(refusal(swapped({ to: stranger }), { keys }), /E_SLICE_KEY/);
});

test("any changed or dropped byte: refused, and nothing throws", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const good = sealed(made, checkpointOf(made));
  for (let at = 0; at < good.length; at += 1 + random.below(60)) {
    const changed = good.slice();
    changed[at] = (changed[at] as number) ^ (1 << random.below(8));
    assert.notEqual(refusal(changed, { keys }), "opened", `byte ${at} changed`);
    assert.notEqual(refusal(good.slice(0, at), { keys }), "opened", `cut at ${at}`);
  }
});

test("a slice is taken once; what could not be stored may come again", async () => {
  const files = new SimFiles({ seed: "taken" });
  const stored: NewMemory[] = [];
  let failure: "" | `E_${string}` = "E_SCS_FULL";
  const receiver = {
    files,
    path: "a.scs",
    provider: nodeCrypto,
    store: (memories: readonly NewMemory[]) => {
      if (failure !== "") return Promise.reject(new OperationError(failure, "it is not stored"));
      stored.push(...memories);
      return Promise.resolve(memories.map((_, id) => id));
    },
  };
  const codeOf = (error: unknown): string => (error as OperationError).code;
  const slice = sealed(made, checkpointOf(made));
  const receive = (bytes: Uint8Array): Promise<string> =>
    receiveSlice(receiver, bytes, { keys, sharer: guardian.publicKey }).then(
      ({ ids }) => `stored ${ids.length}`,
      codeOf,
    );
  assert.equal(await receive(slice), "E_SCS_FULL");
  failure = "";
  assert.equal(await receive(slice), "stored 2");
  assert.equal(await receive(slice), "E_SLICE_TAKEN");
  // Control: it is the slice that is known again, not its memories.
  assert.equal(await receive(sealed(made, checkpointOf(made))), "stored 2");
  assert.equal(await receive(slice), "E_SLICE_TAKEN");
  assert.equal(stored.length, 4);
  // After a failed sync it may be stored or not: it does not come twice.
  failure = "E_SCS_POISONED";
  const unknown = sealed(made, checkpointOf(made));
  assert.equal(await receive(unknown), "E_SCS_POISONED");
  failure = "";
  assert.equal(await receive(unknown), "E_SLICE_TAKEN");
  await files.replaceFile("a.scs.taken", Uint8Array.of(0xa0));
  assert.equal(await receive(sealed(made, checkpointOf(made))), "E_SLICE_REGISTER");
});
