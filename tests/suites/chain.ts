/**
 * `suite chain`: a kernel that makes blocks without pause is killed again and again, one of its
 * processes at a time or all of it, while a follower reads every block as it is made.
 *
 * - `ackLost`: a block that was shown is not in the chain at the end;
 * - `disorder`: views, heights or counters that do not strictly rise, or that two blocks have;
 * - `rootsWrong`: a checkpoint in a block has not the root of the log at that size.
 *
 * Control: the same chain and signer on a disk that keeps nothing: the same judge finds blocks that
 * are lost and views that were voted in twice.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromHex, InvariantError, SeededRandom } from "@ioi/base";
import { readLog } from "@ioi/guardian/verify";
import { nodeCrypto } from "@ioi/host/crypto";
import { client, connect, dial } from "@ioi/host/rpc";
import { verifyStart } from "@ioi/validator";
import { blockProof, type ConsensusStart, pb, schema } from "@ioi/wire";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";
import { PatientClient } from "../lib/sessions.ts";
import { quantile, rounded } from "../lib/statistics.ts";
import { projectRoot } from "../report/conditions.ts";
import { twoLives } from "./chain/control.ts";
import { type Judgement, judgeChain, type Shown, shownOf } from "./chain/judge.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const recoverMs = 30_000;
const victims = ["orchestrator", "guardian", "launcher", "orchestrator", "guardian", "workload"];

const dialNode = async (address: string) => {
  const at = address.lastIndexOf(":");
  const socket = net.connect(Number(address.slice(at + 1)), address.slice(0, at));
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return connect(socket);
};

/** Reads every block as it is made, across restarts. */
class Follower {
  readonly shown: Shown[] = [];
  readonly #kernel: () => TestKernel;
  readonly #signal: AbortSignal;
  #next = 1n;
  #ended = false;
  readonly done: Promise<void>;

  constructor(kernel: () => TestKernel, signal: AbortSignal) {
    this.#kernel = kernel;
    this.#signal = signal;
    this.done = this.#follow();
  }

  get height(): number {
    return Number(this.#next) - 1;
  }

  stop(): void {
    this.#ended = true;
  }

  async #follow(): Promise<void> {
    while (!this.#ended && !this.#signal.aborted) {
      try {
        await this.#read();
      } catch {
        // The kernel is on its way down or up.
        await sleep(20);
      }
    }
  }

  async #read(): Promise<void> {
    const { rpcAddress } = await this.#kernel().status();
    await using channel = await dialNode(rpcAddress);
    const options = { deadlineMs: Number.POSITIVE_INFINITY, signal: this.#signal };
    for await (const { event } of client(pb.Node, channel).events({ from: this.#next }, options)) {
      if (event.case !== "block") continue;
      const block = shownOf(event.value);
      if (block === undefined) throw new InvariantError("the node showed no block");
      this.shown.push(block);
      this.#next = block.header.height + 1n;
      if (this.#ended) return;
    }
  }
}

interface Round {
  readonly victim: string;
  /** From the kill to the next block; NaN where none came. */
  readonly recoveryMs: number;
}

class Loop {
  readonly #context: SuiteContext;
  readonly #data: string;
  readonly #workspace: string;
  readonly #idleBlockMs: number;
  readonly #random: SeededRandom;
  readonly #client: PatientClient;
  readonly follower: Follower;
  readonly rounds: Round[] = [];
  kernel: TestKernel;

  constructor(
    context: SuiteContext,
    place: { readonly data: string; readonly workspace: string; readonly idleBlockMs: number },
    kernel: TestKernel,
  ) {
    this.#context = context;
    this.#data = place.data;
    this.#workspace = place.workspace;
    this.#idleBlockMs = place.idleBlockMs;
    this.#random = new SeededRandom(`chain ${context.seed}`);
    this.#client = new PatientClient(place.data, context.signal);
    this.kernel = kernel;
    this.follower = new Follower(() => this.kernel, context.signal);
  }

  /** Waits until the chain is so high. */
  async reach(height: number, withinMs: number): Promise<boolean> {
    const until = performance.now() + withinMs;
    while (this.follower.height < height) {
      if (performance.now() > until) return false;
      await sleep(5, undefined, { signal: this.#context.signal });
    }
    return true;
  }

  /** The victim's process, as soon as the kernel says that it has one: it may be coming back. */
  async #pidOf(victim: string): Promise<number | undefined> {
    if (victim === "launcher") return this.kernel.pid;
    for (const until = performance.now() + recoverMs; performance.now() < until;) {
      const status = await this.kernel.status().catch(() => undefined);
      const pid = status?.processes.find(({ name }) => name === victim)?.pid;
      if (pid !== undefined) return pid;
      await sleep(20, undefined, { signal: this.#context.signal });
    }
    return undefined;
  }

  async #strike(victim: string): Promise<boolean> {
    const pid = await this.#pidOf(victim);
    try {
      if (pid === undefined) return false;
      process.kill(pid, "SIGKILL");
      return true;
    } catch {
      return false;
    }
  }

  async #checkpoint(): Promise<void> {
    try {
      await using channel = await dial(path.join(this.#data, "run/guardian.sock"));
      await client(pb.Person, channel).checkpoint({}, { deadlineMs: 5000 });
    } catch {
      // The next round's covers this one too.
    }
  }

  async round(index: number): Promise<void> {
    const victim = victims[this.#random.below(victims.length)] as string;
    await sleep(this.#random.below(400), undefined, { signal: this.#context.signal });
    // A receipt of its own, and a checkpoint over it to anchor.
    await this.#client.utter(`/list . ${index}`, this.#workspace, recoverMs);
    await this.#checkpoint();
    await sleep(this.#random.below(100), undefined, { signal: this.#context.signal });
    const before = this.follower.height;
    const at = performance.now();
    if (!(await this.#strike(victim))) return;
    if (victim === "launcher") {
      await this.kernel.exited;
      this.kernel = await TestKernel.start({ data: this.#data, idleBlockMs: this.#idleBlockMs });
    }
    // What was under way when the kill came may still have been shown.
    const back = await this.reach(before + 3, recoverMs);
    this.rounds.push({ victim, recoveryMs: back ? performance.now() - at : Number.NaN });
  }
}

interface Read {
  /** Lowest first. */
  readonly blocks: readonly Shown[];
  /** That the identity signed. */
  readonly start: ConsensusStart;
}

const startIn = (reply: pb.ProveBlockReply, identity: Uint8Array): ConsensusStart => {
  const proof = schema.decode(blockProof, reply.proof);
  if (!proof.ok) throw new InvariantError("the node proved no block");
  const { start } = proof.value;
  if (verifyStart(nodeCrypto, identity, start, reply.startSignature)) return start;
  throw new InvariantError("the start is not signed by the Guardian's identity");
};

const readChain = async (address: string, identity: Uint8Array): Promise<Read> => {
  await using channel = await dialNode(address);
  const node = client(pb.Node, channel);
  const start = startIn(await node.proveBlock({}), identity);
  const blocks: Shown[] = [];
  for (let from: bigint | undefined; from === undefined || from >= 0n;) {
    const page = await node.listBlocks({ limit: 100, ...(from === undefined ? {} : { from }) });
    for (const block of page.blocks) {
      const shown = shownOf(block);
      if (shown === undefined) throw new InvariantError("the node listed no block");
      blocks.push(shown);
    }
    const lowest = blocks.at(-1)?.header.height ?? 0n;
    if (lowest <= 1n || page.blocks.length === 0) break;
    from = lowest - 1n;
  }
  return { blocks: blocks.toReversed(), start };
};

const rootsOf = (data: string, identity: Uint8Array) => {
  const read = (name: string): Uint8Array =>
    new Uint8Array(fs.readFileSync(path.join(data, "guardian", name)));
  const files = { checkpoints: read("checkpoints.log"), receipts: read("receipts.log") };
  const { tree } = readLog(nodeCrypto, files, identity);
  return (size: number): Uint8Array | undefined =>
    size <= tree.size ? tree.root(size) : undefined;
};

const verifier = path.join(projectRoot, "apps/verify/src/main.ts");

/** Every field of a proof, changed: each must be refused, offline. */
const proofCases = async (
  scratch: Scratch,
  data: string,
  made: string,
  quick: boolean,
): Promise<readonly SuiteCase[]> => {
  const identity = path.join(data, "identity/guardian.pub");
  const verify = async (id: string, text: string, exit: number): Promise<SuiteCase> => {
    const file = scratch.at(`${id}.json`);
    fs.writeFileSync(file, text);
    const ran = await ioi(["chain", "verify", file, "--data", data, "--json"]);
    // A second implementation, which shares no code with the first, on the same file.
    const alone = spawnSync(process.execPath, [verifier, file, "--key", identity]);
    return {
      id,
      outcome: ran.code === exit && alone.status === exit ? "passed" : "failed",
      expected: `exit ${exit}, by both verifiers`,
      actual: `exits ${ran.code} and ${alone.status} ${ran.stdout.slice(0, 200)}${ran.stderr.slice(0, 200)}`,
    };
  };
  const proof = JSON.parse(made) as Readonly<Record<string, string>>;
  const cases = [await verify("proof-as-made", made, 0)];
  for (const [name, value] of Object.entries(proof)) {
    if (quick && !["value", "proof", "signature"].includes(name)) continue;
    const last = value.at(-1) === "0" ? "1" : "0";
    const changed = { ...proof, [name]: `${value.slice(0, -1)}${last}` };
    cases.push(await verify(`proof-altered-${name}`, JSON.stringify(changed), 6));
  }
  const absent = { ...proof, value: null };
  cases.push(await verify("proof-altered-to-absence", JSON.stringify(absent), 6));
  return cases;
};

/** A proof of a block from the product, offline; with a byte changed it is refused. */
const blockCases = async (
  scratch: Scratch,
  data: string,
  { blocks, quick }: { readonly blocks: number; readonly quick: boolean },
): Promise<readonly SuiteCase[]> => {
  const cases: SuiteCase[] = [];
  const check = async (id: string, file: string, start: string, exit: number): Promise<void> => {
    const ran = await ioi(["verify", "block", file, "--start", start, "--json"]);
    cases.push({
      id,
      outcome: ran.code === exit ? "passed" : "failed",
      expected: `exit ${exit}`,
      actual: `exit ${ran.code} ${ran.stdout.slice(0, 200)}${ran.stderr.slice(0, 200)}`,
    });
  };
  for (const height of quick ? [Math.ceil(blocks / 2)] : [1, Math.ceil(blocks / 2)]) {
    const file = scratch.at(`block-${height}.proof`);
    const args = ["chain", "prove", "block", `${height}`, "--out", file, "--data", data, "--json"];
    const { stdout } = await ioi(args);
    const { start } = JSON.parse(stdout) as { readonly start: string };
    await check(`block-${height}-as-made`, file, start, 0);
    await check(`block-${height}-of-another-start`, file, "00".repeat(32), 6);
    const bytes = fs.readFileSync(file);
    for (const part of quick ? [0.9] : [0.2, 0.5, 0.9]) {
      const at = Math.floor(part * bytes.length);
      const altered = scratch.at(`block-${height}-${at}.proof`);
      fs.writeFileSync(altered, bytes.with(at, (bytes[at] ?? 0) ^ 1));
      await check(`block-${height}-altered-at-${at}`, altered, start, 6);
    }
  }
  return cases;
};

interface Ran {
  readonly rounds: readonly Round[];
  readonly judgement: Judgement;
  readonly blocks: number;
  readonly proofs: readonly SuiteCase[];
  readonly durationMs: number;
}

const drive = async (
  context: SuiteContext,
  scratch: Scratch,
  wanted: { readonly blocks: number; readonly kills: number; readonly idleBlockMs: number },
): Promise<Ran> => {
  const data = scratch.at("data");
  const { idleBlockMs } = wanted;
  const place = { data, workspace: scratch.folder("work"), idleBlockMs };
  const began = performance.now();
  const loop = new Loop(context, place, await TestKernel.start({ data, idleBlockMs }));
  try {
    for (let index = 0; loop.rounds.length < wanted.kills && index < 3 * wanted.kills; index++) {
      await loop.round(index);
      context.progress(`${loop.rounds.length} kills, block ${loop.follower.height}`);
    }
    await loop.reach(wanted.blocks, 300_000);
    const durationMs = performance.now() - began;
    const args = ["chain", "proof", "receipts/checkpoint", "--data", data, "--json"];
    const { stdout: made } = await ioi(args);
    loop.follower.stop();
    const { rpcAddress } = await loop.kernel.status();
    await loop.follower.done;
    const text = fs.readFileSync(path.join(data, "identity/guardian.pub"), "utf8").trim();
    const identity = fromHex(text) ?? new Uint8Array(0);
    const chain = await readChain(rpcAddress, identity);
    const blockProofs = await blockCases(scratch, data, {
      blocks: chain.blocks.length,
      quick: context.quick,
    });
    await loop.kernel.stop();
    const world = { start: chain.start, rootAt: rootsOf(data, identity) };
    return {
      rounds: loop.rounds,
      judgement: judgeChain(loop.follower.shown, chain.blocks, world),
      blocks: chain.blocks.length,
      proofs: [...(await proofCases(scratch, data, made, context.quick)), ...blockProofs],
      durationMs,
    };
  } finally {
    loop.follower.stop();
    loop.kernel.kill();
    await loop.kernel.exited;
  }
};

const caseOf = (
  id: string,
  ok: boolean,
  actual: unknown,
  control?: SuiteCase["control"],
): SuiteCase => ({
  id,
  outcome: ok ? "passed" : "failed",
  expected: "0",
  actual: JSON.stringify(actual),
  ...(control === undefined ? {} : { control }),
});

const numberOf = (text: string | undefined, otherwise: number): number => Number(text ?? otherwise);

export const suite: Suite = {
  name: "chain",
  covers: ["kernel 3", "kernel 4", "kernel 9", "mode 0: local chain, public API, chain proof"],
  summary: "blocks with kills: nothing shown is lost, slots and counters rise, roots are the log's",
  async run(context) {
    using scratch = new Scratch();
    const { params, quick } = context;
    const wanted = {
      blocks: numberOf(params["blocks"], quick ? 60 : 1000),
      kills: numberOf(params["kills"], quick ? 3 : 25),
      idleBlockMs: numberOf(params["idleBlockMs"], 10),
    };
    const forgetful = await twoLives(false);
    const honest = await twoLives(true);
    const ran = await drive(context, scratch, wanted);
    const { judgement, rounds, blocks } = ran;
    const recoveries = rounds.map(({ recoveryMs }) => recoveryMs);
    const harmed = (found: number): SuiteCase["control"] => (found > 0 ? "harmed" : "harmless");
    const none = Object.values(honest).every((count) => count === 0);
    return {
      cases: [
        ...rounds.map(({ victim, recoveryMs }, index) =>
          caseOf(`kill-${index}-${victim}`, !Number.isNaN(recoveryMs), "no block after the kill"),
        ),
        caseOf("ack-lost", judgement.ackLost === 0, judgement, harmed(forgetful.ackLost)),
        caseOf(
          "views-heights-counters",
          judgement.disorder === 0,
          judgement,
          harmed(forgetful.disorder),
        ),
        caseOf("signatures", judgement.unsigned === 0, judgement),
        caseOf("receipts-roots", judgement.rootsWrong === 0, judgement),
        caseOf("the-judge-finds-nothing-where-all-is-well", none, honest),
        ...ran.proofs,
      ],
      metrics: {
        blocks,
        kills: rounds.length,
        ackLost: judgement.ackLost,
        disorder: judgement.disorder,
        rootsWrong: judgement.rootsWrong,
        blocksPerS: rounded((1000 * blocks) / ran.durationMs, 1),
        recoveryP50Ms: rounded(quantile(recoveries, 0.5), 0),
        recoveryP99Ms: rounded(quantile(recoveries, 0.99), 0),
      },
      goals: [
        { metric: "blocks", op: ">=", value: wanted.blocks },
        { metric: "kills", op: ">=", value: wanted.kills },
        { metric: "ackLost", op: "=", value: 0 },
        { metric: "disorder", op: "=", value: 0 },
        { metric: "rootsWrong", op: "=", value: 0 },
      ],
    };
  },
};
