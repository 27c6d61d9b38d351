/** The session that votes for the chain: once for a slot, as its state says, whatever ends in between. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "@ioi/base";
import { anchorCert, blockHash, Judge, quorumCertHash, ValidatorSet } from "@ioi/consensus";
import { domainBytes, domains } from "@ioi/crypto";
import { ChainSigner, type ChainSigning, type SlotRequest } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles, SimRandom } from "@ioi/sim";
import { type BlockHeader, blockHeader, consensusStart, schema, signerRequest } from "@ioi/wire";

const identity = nodeCrypto.generate("ml-dsa-65");
const chain = new Uint8Array(32).fill(5);
const keys = { identity, chainSession: (nonce: Uint8Array) => nodeCrypto.sha256(nonce) };

const open = (files: SimFiles): Promise<ChainSigner> =>
  ChainSigner.open({
    files,
    random: new SimRandom("s"),
    provider: nodeCrypto,
    keys,
    recordsMax: 5,
  });

const judgeOf = ({ start }: ChainSigning): Judge => {
  const set = ValidatorSet.from(nodeCrypto, start.validators);
  assert.ok(set.ok);
  return new Judge(nodeCrypto, start, set.value, start.anchor);
};

/** A first block, and others of the same view. */
const headerOf = (signing: ChainSigning, timeMs = 5): BlockHeader => {
  const { context, anchor } = judgeOf(signing);
  const first = anchorCert(context, anchor);
  return {
    version: 1,
    ...context,
    height: anchor.height + 1n,
    view: anchor.view + 1n,
    parent: anchor.digest,
    justify: { view: first.view, hash: quorumCertHash(nodeCrypto, first) },
    payloadRoot: new Uint8Array(32),
    stateHeight: anchor.height,
    stateRoot: new Uint8Array(32),
    timeMs,
    proposer: 0,
  };
};

const slotFor = (
  signing: ChainSigning,
  header: BlockHeader,
  kind: "propose" | "vote",
  more: Partial<{ digest: Uint8Array; shown: BlockHeader }> = {},
): SlotRequest => {
  const { view, digest } = signing.start.anchor;
  const just = { view, digest };
  const block = more.digest ?? blockHash(nodeCrypto, header);
  return {
    request: schema.encode(signerRequest, {
      type: "sign",
      kind,
      view: header.view,
      digest: block,
      just,
      seen: just,
    }),
    header: schema.encode(blockHeader, more.shown ?? header),
  };
};

const refusal = { code: "E_HEADER_REFUSED" };

test("the identity signs the start; one call signs proposal and vote, and both verify", async () => {
  const session = await open(new SimFiles({ seed: "start" }));
  assert.equal(session.signing, undefined);
  const signing = await session.begin(chain);
  const statement = domainBytes(domains.chainStart, schema.encode(consensusStart, signing.start));
  const { publicKey } = identity;
  assert.ok(nodeCrypto.verify("ml-dsa-65", publicKey, statement, signing.signature));
  const header = headerOf(signing);
  const envelopes = await session.sign([
    slotFor(signing, header, "propose"),
    slotFor(signing, header, "vote"),
  ]);
  const judge = judgeOf(signing);
  for (const envelope of envelopes) assert.ok(judge.envelope(envelope).ok);
  assert.deepEqual(
    envelopes.map(({ kind, counter }) => [kind, counter]),
    [
      ["propose", 1n],
      ["vote", 2n],
    ],
  );
  await session.close();
});

test("a slot is signed once, the same request gets the same answer, after a restart too", async () => {
  const files = new SimFiles({ seed: "once" });
  const session = await open(files);
  const signing = await session.begin(chain);
  const header = headerOf(signing);
  const vote = slotFor(signing, header, "vote");
  const [envelope] = await session.sign([vote]);
  assert.deepEqual(await session.sign([vote]), [envelope]);
  const other = headerOf(signing, 6);
  await assert.rejects(session.sign([slotFor(signing, other, "vote")]), refusal);
  await session.close();
  const again = await open(files);
  assert.deepEqual(again.signing?.last, envelope);
  assert.deepEqual(await again.sign([vote]), [envelope]);
  await assert.rejects(again.sign([slotFor(signing, other, "vote")]), refusal);
  await assert.rejects(again.sign([slotFor(signing, other, "propose")]), refusal);
  await again.close();
});

test("what is malformed, too much, of another block or no vote is refused and changes nothing", async () => {
  const session = await open(new SimFiles({ seed: "bad" }));
  const none = new Uint8Array(0);
  await assert.rejects(session.sign([{ request: none, header: none }]), refusal);
  const signing = await session.begin(chain);
  const header = headerOf(signing);
  const good = slotFor(signing, header, "vote");
  const freeze = schema.encode(signerRequest, { type: "freeze", proof: new Uint8Array(32) });
  const ending = { ...header, ends: { validators: new Uint8Array(32), leaseEnd: 1n } };
  const bad: readonly SlotRequest[][] = [
    [],
    [good, good, good, good, good],
    [{ ...good, request: none }],
    [{ ...good, request: good.request.slice(1) }],
    [{ ...good, request: freeze }],
    [{ ...good, header: none }],
    [{ ...good, header: new Uint8Array(5000) }],
    [slotFor(signing, header, "vote", { shown: headerOf(signing, 9) })],
    [slotFor(signing, header, "vote", { digest: new Uint8Array(32) })],
    [slotFor(signing, ending, "vote")],
  ];
  for (const slots of bad) await assert.rejects(session.sign(slots), refusal);
  assert.equal(session.signing?.counter, 0n);
  // As many as come before the one that is refused.
  const signed = await session.sign([good, slotFor(signing, header, "propose")]);
  assert.equal(signed.length, 1);
  await session.close();
});

test("the next epoch stands on what was voted for last, and another chain has no part in it", async () => {
  const files = new SimFiles({ seed: "next" });
  const session = await open(files);
  const first = await session.begin(chain);
  const header = headerOf(first);
  await session.sign([slotFor(first, header, "vote")]);
  await assert.rejects(session.begin(new Uint8Array(32)), refusal);
  await session.close();
  const again = await open(files);
  const second = await again.begin(chain);
  const { anchor, epoch } = second.start;
  assert.equal(epoch.number, 1n);
  assert.equal(toHex(anchor.digest), toHex(blockHash(nodeCrypto, header)));
  assert.deepEqual([anchor.height, anchor.timeMs], [header.height, header.timeMs]);
  assert.ok(anchor.view >= header.view);
  assert.equal(second.last, undefined);
  assert.deepEqual(second.start.validators, first.start.validators);
  await assert.rejects(again.sign([slotFor(first, header, "vote")]), refusal);
  const [next] = await again.sign([slotFor(second, headerOf(second), "vote")]);
  assert.ok(next !== undefined && judgeOf(second).envelope(next).ok);
  await again.close();
});

test("a full disk: what is not durable neither leaves nor is shown, and a vote is given later", async () => {
  const files = new SimFiles({ seed: "full" });
  const session = await open(files);
  const signing = await session.begin(chain);
  const slot = slotFor(signing, headerOf(signing), "vote");
  files.setBytesMax(0);
  await assert.rejects(session.sign([slot]), { code: "E_WAL_FULL" });
  assert.throws(() => session.signing, refusal);
  files.setBytesMax(Number.POSITIVE_INFINITY);
  const [envelope] = await session.sign([slot]);
  assert.deepEqual(session.signing?.last, envelope);
  await session.close();
  const fresh = new SimFiles({ seed: "full" });
  const other = await open(fresh);
  fresh.setBytesMax(0);
  await assert.rejects(other.begin(chain));
  assert.throws(() => other.signing, refusal, "an epoch that is in memory alone");
  fresh.setBytesMax(Number.POSITIVE_INFINITY);
  await assert.rejects(other.sign([slot]), refusal);
  await other.close();
  const again = await open(fresh);
  assert.equal(again.signing, undefined);
  await again.begin(chain);
  await again.close();
});

test("the end at any change of the disk: no slot is signed twice, and what left is remembered", async () => {
  for (let stopAt = 0; ; stopAt++) {
    const files = new SimFiles({ seed: `${stopAt}` });
    files.stopAt(stopAt);
    const left = new Map<string, string>();
    const live = async (on: SimFiles): Promise<void> => {
      const session = await open(on);
      const signing = session.signing ?? (await session.begin(chain));
      for (let timeMs = 5; timeMs < 8; timeMs++) {
        const slot = slotFor(signing, headerOf(signing, timeMs), "vote");
        const signed = await session.sign([slot]).catch((error: { code?: string }) => {
          if (error.code !== refusal.code) throw error;
          return [];
        });
        for (const { view, kind, session: by, digest } of signed) {
          const key = `${toHex(by)}/${view}/${kind}`;
          assert.equal(left.get(key) ?? toHex(digest), toHex(digest));
          left.set(key, toHex(digest));
        }
      }
      await session.close();
    };
    try {
      await live(files);
    } catch (error) {
      if (!files.stopped) throw error;
    }
    await live(files.crash(`${stopAt}`));
    assert.ok(left.size >= 1);
    if (!files.stopped) {
      assert.ok(stopAt > 8, `${stopAt} changes`);
      return;
    }
  }
});
