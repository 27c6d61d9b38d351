/** Two folders of a session, compared: the newer one may take the older one's place, never the other way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChainSigner, sessionTakenBack } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles, SimRandom } from "@ioi/sim";
import { schema, signerRequest } from "@ioi/wire";

const identity = nodeCrypto.generate("ml-dsa-65");
const chain = new Uint8Array(32).fill(5);
const keys = { identity, chainSession: (nonce: Uint8Array) => nodeCrypto.sha256(nonce) };
const zeros = new Uint8Array(32);

let salts = 0;
const open = (files: SimFiles): Promise<ChainSigner> =>
  ChainSigner.open({
    files,
    random: new SimRandom(`${salts++}`),
    provider: nodeCrypto,
    keys,
    recordsMax: 5,
  });

/** Timeouts of views from one on; each is a state of the log. */
const signViews = async (session: ChainSigner, from: number, count: number): Promise<void> => {
  const { start } = session.signing ?? (await session.begin(chain));
  const { view, digest } = start.anchor;
  for (let n = from; n < from + count; n++) {
    const request = schema.encode(signerRequest, {
      type: "sign",
      kind: "timeout",
      view: view + BigInt(n),
      digest: zeros,
      just: { view: 0n, digest: zeros },
      seen: { view, digest },
    });
    await session.sign([{ request, header: new Uint8Array(0) }]);
  }
};

const bytesOf = (files: SimFiles): Promise<Uint8Array> => files.readFile("session.log", 1e7);

/** As a backup holds it. */
const copyOf = async (files: SimFiles): Promise<SimFiles> => {
  const copy = new SimFiles({ seed: "copy" });
  await copy.replaceFile("session.log", await bytesOf(files));
  return copy;
};

const live = async (files: SimFiles, from: number, count: number): Promise<SimFiles> => {
  const session = await open(files);
  await signViews(session, from, count);
  await session.close();
  return files;
};

const fresh = (): SimFiles => new SimFiles({ seed: "session" });

test("a newer session goes in an older one's place though its log began anew; never the other way", async () => {
  const files = await live(fresh(), 1, 2);
  const older = await copyOf(files);
  assert.equal(await sessionTakenBack(older, files), undefined, "the same");
  await live(files, 3, 9);
  const [before, after] = [await bytesOf(older), await bytesOf(files)];
  assert.notDeepEqual(after.subarray(0, before.length), before, "control: it began anew");
  assert.equal(await sessionTakenBack(older, files), undefined);
  assert.match((await sessionTakenBack(files, older)) ?? "", /session is at view 11, there at 2/);
  assert.deepEqual([await bytesOf(older), await bytesOf(files)], [before, after]);
});

test("an epoch begins the log anew as well, and a start alone counts", async () => {
  const files = await live(fresh(), 1, 2);
  const older = await copyOf(files);
  const session = await open(files);
  await session.close();
  assert.equal(await sessionTakenBack(older, files), undefined);
  assert.match((await sessionTakenBack(files, older)) ?? "", /start 2, there at 1/);
  const started = await copyOf(files);
  const next = await open(files);
  await next.begin(chain);
  await next.close();
  assert.equal(await sessionTakenBack(started, files), undefined);
  assert.match((await sessionTakenBack(files, started)) ?? "", /epoch 1, there at 0/);
});

test("another history, another session, and none are no newer ones", async () => {
  const files = await live(fresh(), 1, 1);
  const twin = await copyOf(files);
  await live(files, 2, 1);
  const early = await copyOf(files);
  // A view further, with as many envelopes: the log of the twin shows the same number over another view.
  await live(twin, 3, 1);
  await live(twin, 4, 1);
  assert.match((await sessionTakenBack(early, twin)) ?? "", /signed another envelope 2/);
  const stranger = await live(new SimFiles({ seed: "other" }), 1, 30);
  assert.match((await sessionTakenBack(files, stranger)) ?? "", /another/);
  assert.match((await sessionTakenBack(files, fresh())) ?? "", /not in it/);
  assert.equal(await sessionTakenBack(fresh(), files), undefined, "control: nothing was signed");
});

test("what an append left half is no state; a log that cannot be read takes no place", async () => {
  const files = await live(fresh(), 1, 2);
  const whole = await bytesOf(files);
  const half = await copyOf(files);
  await half.replaceFile("session.log", whole.subarray(0, whole.length - 3));
  assert.equal(await sessionTakenBack(half, files), undefined);
  assert.match((await sessionTakenBack(files, half)) ?? "", /there at/);
  for (const bytes of [new Uint8Array(0), whole.with(90, (whole[90] ?? 0) ^ 1)]) {
    await half.replaceFile("session.log", bytes);
    assert.match((await sessionTakenBack(half, files)) ?? "", /of the folder cannot be read/);
    assert.match((await sessionTakenBack(files, half)) ?? "", /of the backup cannot be read/);
  }
});
