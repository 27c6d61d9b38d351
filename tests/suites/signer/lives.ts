/** Trials of the real program: kill -9 at any moment, an older copy of its folder, two copies at once. */
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, concatBytes, OperationError, type SeededRandom, toHex } from "@ioi/base";
import { Evidence, Judge, ValidatorSet, verifyDivergence, zeroHash } from "@ioi/consensus";
import { chain, firstEpoch, genesis, member, named } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { type Envelope, schema, type SignerRequest, signerRequest } from "@ioi/wire";
import { SignerProcess } from "./program.ts";

export interface Life {
  readonly released: number;
  readonly doubles: number;
  readonly convictions: number;
  /** Of the folder's program: what it says of its anchor. */
  readonly label: string;
}

/** What the host of one folder knows: the set that its session is registered in, and what it was given. */
export class Folder {
  readonly dir: string;
  readonly judge: Judge;
  readonly released = new Map<string, Envelope>();
  view = 0n;
  #from = 1n;

  private constructor(dir: string, judge: Judge) {
    this.dir = dir;
    this.judge = judge;
  }

  /** The first session, registered in a set of its own. */
  static async make(dir: string): Promise<Folder> {
    await using signer = await SignerProcess.start(dir);
    const { gid, sessionKey } = await signer.renew();
    const { entry } = member("real", 1n);
    const set = ValidatorSet.from(nodeCrypto, [
      { ...entry, gid, sessionKey, isolation: "none", rollback: "none" },
    ]);
    assert(set.ok, "a set");
    const judge = new Judge(nodeCrypto, { chain, epoch: firstEpoch }, set.value, genesis);
    await signer.ask({
      type: "enter",
      ...judge.context,
      anchor: { view: genesis.view, digest: genesis.digest },
    });
    return new Folder(dir, judge);
  }

  vote(view: bigint, block: string): SignerRequest {
    const digest = named(block);
    const just = { view: view - 1n, digest: view === 1n ? zeroHash : named("below") };
    return { type: "sign", kind: "vote", view, digest, just, seen: just };
  }

  /** An answer that came counts; a refusal and a death are no answers. */
  async ask(signer: SignerProcess, request: SignerRequest): Promise<boolean> {
    try {
      const envelope = await signer.ask(request);
      if (envelope === undefined) return false;
      assert(this.judge.envelope(envelope).ok, "what it signs is valid");
      this.released.set(toHex(envelope.signature), envelope);
      return true;
    } catch (error) {
      if (error instanceof OperationError) return false;
      throw error;
    }
  }

  /** First the opposite of all that the life before was asked for; then more, and killed in the middle. */
  async life(random: SeededRandom, requests = 12): Promise<void> {
    await using signer = await SignerProcess.start(this.dir);
    for (let view = this.#from; view <= this.view; view++) {
      await this.ask(signer, this.vote(view, "another"));
    }
    this.#from = this.view + 1n;
    const asked: Promise<boolean>[] = [];
    for (let i = 0; i < requests; i++) {
      this.view += 1n;
      asked.push(this.ask(signer, this.vote(this.view, "one")));
    }
    // Any moment will do: before the first answer, between two, after the last.
    await Promise.all(asked.slice(0, random.below(requests + 1)));
    await sleep(random.below(40) / 10);
    await signer.kill();
    await Promise.all(asked);
  }

  /** As a network judges what it sees. */
  judged(label: string): Life {
    const { judge } = this;
    const sets = { chain, setOf: () => judge.set.hash };
    const evidence = new Evidence(judge);
    const proofs = [...this.released.values()].flatMap((each) => evidence.observe(each, 0) ?? []);
    const holding = proofs.filter((proof) => verifyDivergence(nodeCrypto, sets, proof).ok);
    return {
      released: this.released.size,
      doubles: proofs.length,
      convictions: holding.length,
      label,
    };
  }
}

const labelOf = async (signer: SignerProcess): Promise<string> => {
  const { anchor, rollbackProtection } = await signer.status();
  return `${anchor}, rollback protection ${rollbackProtection}`;
};

/** The folder is set back: with a software anchor nobody can tell, so what is shown is that it convicts. */
export const restoredFolder = async (dir: string): Promise<Life> => {
  const folder = await Folder.make(dir);
  fs.cpSync(dir, `${dir}-copy`, { recursive: true });
  {
    await using signer = await SignerProcess.start(dir);
    await folder.ask(signer, folder.vote(3n, "one"));
  }
  fs.rmSync(dir, { recursive: true });
  fs.renameSync(`${dir}-copy`, dir);
  await using signer = await SignerProcess.start(dir);
  await folder.ask(signer, folder.vote(3n, "another"));
  return folder.judged(await labelOf(signer));
};

/** What no host of ours sends: each is refused with the Guardian as it was. */
export const badRequests = async (
  dir: string,
  random: SeededRandom,
): Promise<readonly string[]> => {
  const folder = await Folder.make(dir);
  await using signer = await SignerProcess.start(dir);
  const good = schema.encode(signerRequest, folder.vote(2n, "one"));
  const before = await signer.status();
  const taken: string[] = [];
  const bad = [new Uint8Array(0), new Uint8Array(5000), concatBytes(good, good), good.subarray(9)];
  for (let i = 0; i < 40; i++) bad.push(random.fill(new Uint8Array(random.below(300))));
  for (const bytes of bad) {
    const code = await signer.askRaw(bytes).then(
      () => "taken",
      (error: unknown) => (error instanceof OperationError ? error.code : "bug"),
    );
    if (code !== "E_SIGNER_REFUSED") taken.push(`${code}: ${toHex(bytes.subarray(0, 20))}`);
  }
  const after = await signer.status();
  if (after.envelopes !== before.envelopes || after.view !== before.view) taken.push("it changed");
  if (!(await folder.ask(signer, folder.vote(2n, "one")))) taken.push("it does not sign any more");
  return taken;
};

/** A copy beside it; and a second program on one folder, which does not start. */
export const clonedFolder = async (dir: string): Promise<Life & { readonly second: string }> => {
  const folder = await Folder.make(dir);
  fs.cpSync(dir, `${dir}-copy`, { recursive: true });
  await using one = await SignerProcess.start(dir);
  await using other = await SignerProcess.start(`${dir}-copy`);
  await Promise.all([
    folder.ask(one, folder.vote(2n, "one")),
    folder.ask(other, folder.vote(2n, "another")),
  ]);
  const second = await SignerProcess.start(dir).then(
    () => "started",
    (error: unknown) => (error instanceof OperationError ? error.code : "bug"),
  );
  return { ...folder.judged(await labelOf(one)), second };
};
