/**
 * Walks of the model, taken by production Guardians, judge and engine, and compared after every step:
 * slots and locks; which signatures are given and which refused; which certificates and commits are valid;
 * where an engine stands that hears every vote and timeout, and fetches the blocks.
 *
 * The engine is compared where all Guardians are sound: it stops at the first proof that one is not.
 */
import { assert, type SeededRandom } from "@ioi/base";
import {
  anchorCert,
  Engine,
  type EngineEffect,
  type GuardianRequest,
  type GuardianRule,
  quorumCertOf,
  Schedule,
} from "@ioi/consensus";
import {
  blockOn,
  type Certified,
  chain,
  Committee,
  digestOf,
  genesis,
  judgeOf,
  member,
  named,
  requestFor,
  timeoutRequest,
  type TestProvider,
  twin,
} from "@ioi/consensus/testing";
import type { CommitCert, ConsensusMessage, Envelope, QuorumCert } from "@ioi/wire";
import type { Action, Step } from "./explore.ts";
import type { SigningModel } from "./signing.ts";
import { type NodeKind, readStep } from "./signing-steps.ts";

const lacks: Readonly<Record<NodeKind, readonly GuardianRule[] | undefined>> = {
  sound: [],
  unbound: ["G1-slot"],
  lockless: ["G1-lock"],
  broken: undefined,
  resettable: undefined,
  recovering: undefined,
  liar: undefined,
};

const kindsOfSlot: Readonly<Record<Envelope["kind"], number>> = {
  propose: 0,
  vote: 1,
  timeout: 2,
  freeze: 2,
};

export class Replay {
  readonly #model: SigningModel;
  readonly #committee: Committee;
  readonly #schedule: Schedule;
  readonly #anchor: QuorumCert;
  readonly #blocks = new Map<number, Certified>();
  readonly #parents = new Map<number, number>();
  readonly #votes = new Map<number, [Envelope, ...Envelope[]]>();
  readonly #engine: Engine | undefined;
  /** Of the newest block that the engine committed. */
  #height = 0n;

  constructor(model: SigningModel, provider: TestProvider = twin) {
    this.#model = model;
    const { nodes } = model.options;
    const members = nodes.map((_, index) => member(`${index}`, 1n));
    const judge = judgeOf(members, provider);
    const broken = new Map<number, readonly GuardianRule[]>();
    for (const [index, kind] of nodes.entries()) {
      const rules = lacks[kind];
      assert(rules !== undefined, `a node that is ${kind} is not replayed`);
      broken.set(index, rules);
    }
    this.#committee = new Committee(members, provider, judge, broken);
    assert(judge.set.quorum === BigInt(model.options.quorum), "the quorum of the set");
    this.#schedule = new Schedule(provider, named("schedule"), judge.set);
    this.#anchor = anchorCert(judge.context, genesis);
    if (nodes.every((kind) => kind === "sound")) this.#engine = this.#watcher();
  }

  /** Takes the step; what differs from the state after it, if anything does. */
  take({ action, state }: Step): string | undefined {
    const step = readStep(action);
    switch (step.type) {
      case "propose":
        this.#blocks.set(step.block, this.#make(step.block, step.parent));
        this.#parents.set(step.block, step.parent);
        break;
      case "vote": {
        const block = this.#block(step.block);
        const envelope = this.#committee.signer(step.node).ask(requestFor(block));
        if (typeof envelope === "string") return `node ${step.node} does not vote: ${envelope}`;
        const votes = this.#votes.get(step.block);
        this.#votes.set(step.block, votes === undefined ? [envelope] : [...votes, envelope]);
        this.#tell({ type: "vote", envelope });
        break;
      }
      case "timeout": {
        const request = this.#timeout(step.node, step.view);
        const envelope = this.#committee.signer(step.node).ask(request);
        if (typeof envelope === "string") return `node ${step.node} does not time out: ${envelope}`;
        this.#tell({ type: "timeout", envelope, qc: this.#anchor });
        break;
      }
      default:
        return `a step that is not replayed: ${step.type}`;
    }
    return this.#difference(state, step.type === "vote" ? step.block : undefined);
  }

  /** That Guardians sign what the model lets them sign next, and nothing else: one of each is asked. */
  refusals(state: Uint8Array, random: SeededRandom): string | undefined {
    const allowed = new Set<Action>();
    this.#model.successors(state, (action) => allowed.add(action));
    const may = new Set([...allowed].map((action) => JSON.stringify(readStep(action))));
    for (const [node, signer] of this.#committee.signers.entries()) {
      const view = 1 + random.below(this.#model.options.views - 1);
      const ask = (request: GuardianRequest): boolean =>
        signer.guardian.step(signer.state, request).ok;
      const timesOut = may.has(JSON.stringify({ type: "timeout", node, view }));
      const { last } = signer.state;
      const isSame = last?.kind === "timeout" && last.view === BigInt(view);
      if (!isSame && ask(this.#timeout(node, view)) !== timesOut) {
        return `node ${node}, timeout ${view}: ${timesOut ? "refused" : "signed"}`;
      }
      const number = 1 + random.below(this.#model.blockCount);
      const block = this.#blocks.get(number);
      if (block === undefined || this.#model.hasVoted(state, node, number)) continue;
      const votes = may.has(JSON.stringify({ type: "vote", node, block: number }));
      if (ask(requestFor(block)) !== votes) {
        return `node ${node}, vote for ${number}: ${votes ? "refused" : "signed"}`;
      }
    }
    return undefined;
  }

  /** Two commits that the judge finds valid, of blocks neither of which extends the other. */
  isForked(state: Uint8Array): boolean {
    const model = this.#model;
    const committed = model.committed(state);
    return committed.some((a) =>
      committed.some(
        (b) =>
          !model.extends(state, a, b) &&
          !model.extends(state, b, a) &&
          this.#isCommit(state, a) &&
          this.#isCommit(state, b),
      ),
    );
  }

  /** `voted`: the block whose certificate, and with it commits, may be new. */
  #difference(state: Uint8Array, voted: number | undefined): string | undefined {
    const { nodes } = this.#model.options;
    for (const [node, kind] of nodes.entries()) {
      if (kind !== "sound") continue;
      const { slot, high } = this.#committee.signer(node).state;
      const number = slot.view === 0n ? 0 : Number(slot.view) * 3 + kindsOfSlot[slot.kind];
      const expected = this.#model.slotOf(state, node);
      if (number !== expected) return `node ${node} is at slot ${number}, not ${expected}`;
      const lock = this.#model.lockOf(state, node);
      if (Number(high.view) !== lock) return `node ${node} is locked at ${high.view}, not ${lock}`;
    }
    const votes = voted === undefined ? undefined : this.#votes.get(voted);
    if (voted !== undefined && votes !== undefined) {
      const { judge } = this.#committee;
      const isValid = judge.quorumCert(quorumCertOf(judge.set, votes)).ok;
      if (isValid !== this.#model.isCertified(state, voted)) {
        return `the certificate of ${voted} is ${isValid ? "valid" : "refused"}`;
      }
      for (const number of this.#model.committed(state)) {
        if (!this.#isCommit(state, number)) return `the commit of ${number} is refused`;
      }
    }
    return this.#engineDiffers(state);
  }

  #engineDiffers(state: Uint8Array): string | undefined {
    if (this.#engine === undefined) return undefined;
    const model = this.#model;
    const { views, quorum, nodes } = model.options;
    let certified = 0;
    for (let block = 1; block <= model.blockCount; block++) {
      if (model.isCertified(state, block)) certified = Math.max(certified, model.viewOf(block));
    }
    let view = certified + 1;
    for (let each = 1; each < views; each++) {
      const reports = [...nodes.keys()].filter((node) => model.hasTimedOut(state, node, each));
      if (reports.length >= quorum) view = Math.max(view, each + 1);
    }
    const height = model
      .committed(state)
      .reduce((most, block) => Math.max(most, Number(this.#block(block).header.height)), 0);
    const at = { view: Number(this.#engine.view), high: Number(this.#engine.high.view) };
    const got = `view ${at.view} high ${at.high} height ${this.#height}`;
    const expected = `view ${view} high ${certified} height ${height}`;
    return got === expected ? undefined : `the engine has ${got}, not ${expected}`;
  }

  #isCommit(state: Uint8Array, number: number): boolean {
    const { judge } = this.#committee;
    for (let child = 1; child <= this.#model.blockCount; child++) {
      const isChild = state[child] === number && this.#model.isCertified(state, child);
      if (!isChild || this.#model.viewOf(child) !== this.#model.viewOf(number) + 1) continue;
      const cert: CommitCert = {
        block: this.#block(number).header,
        child: this.#block(child).header,
        blockQc: this.#cert(number),
        childQc: this.#cert(child),
      };
      if (judge.commitCert(cert).ok) return true;
    }
    return false;
  }

  #make(number: number, parent: number): Certified {
    const { judge } = this.#committee;
    const below = parent === 0 ? genesis : this.#block(parent).header;
    const view = BigInt(this.#model.viewOf(number));
    return blockOn(judge, below, this.#cert(parent), view, {
      proposer: this.#schedule.leader(view),
      payloadRoot: digestOf(number),
      stateHeight: this.#commitHeight(parent),
    });
  }

  /** What the certificate that `block` carries commits (V9): its grandparent, if views are one apart. */
  #commitHeight(block: number): bigint {
    const parent = this.#parents.get(block) ?? 0;
    if (parent === 0) return 0n;
    const { header } = this.#block(parent);
    return header.view === header.justify.view + 1n
      ? header.height - 1n
      : this.#commitHeight(parent);
  }

  #block(number: number): Certified {
    const block = this.#blocks.get(number);
    assert(block !== undefined, `block ${number} was made`);
    return block;
  }

  #cert(number: number): QuorumCert {
    const votes = this.#votes.get(number);
    return votes === undefined ? this.#anchor : quorumCertOf(this.#committee.judge.set, votes);
  }

  #timeout(node: number, view: number): GuardianRequest & { type: "sign" } {
    return timeoutRequest(BigInt(view), this.#committee.signer(node).state.high);
  }

  #watcher(): Engine {
    const { judge } = this.#committee;
    return new Engine(
      {
        judge,
        seed: named("schedule"),
        me: 0,
        sets: { chain, setOf: () => judge.set.hash },
        deltaMs: 25,
        baseMs: 250,
        strongMs: 0,
        heartbeatMs: 0,
      },
      { root: { ...genesis, justView: 0n, commitHeight: 0n }, records: [] },
      1,
    );
  }

  /** What it fetches it gets. */
  #tell(message: ConsensusMessage): void {
    const inbox: ConsensusMessage[] = [message];
    for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) {
      const effects = this.#engine?.handle({ type: "message", from: 1, message: next }, 1) ?? [];
      for (const effect of effects) inbox.push(...this.#answers(effect));
    }
  }

  #answers(effect: EngineEffect): readonly ConsensusMessage[] {
    if (effect.type === "commit") this.#height = effect.root.height;
    if (effect.type !== "send" && effect.type !== "broadcast") return [];
    const { message } = effect;
    if (message.type !== "fetch") return [];
    const wanted = [...this.#blocks.values()].find(
      ({ digest }) => digest.join() === message.digest.join(),
    );
    if (wanted === undefined) return [];
    const { header, justify } = wanted;
    return [{ type: "block", block: { header, justify } }];
  }
}

/** Mostly no timeout: those end what can still happen. */
const drawn = (options: readonly Step[], random: SeededRandom): Step | undefined => {
  const lasting = options.filter(({ action }) => readStep(action).type !== "timeout");
  const from = lasting.length === 0 || random.chance(1, 12) ? options : lasting;
  return from.length === 0 ? undefined : from[random.below(from.length)];
};

export interface Walked {
  readonly steps: number;
  readonly difference: string | undefined;
}

/** One random walk of at most `stepsMax` steps, taken by both. */
export const walk = (
  model: SigningModel,
  random: SeededRandom,
  stepsMax: number,
  provider: TestProvider = twin,
): Walked => {
  const replay = new Replay(model, provider);
  let state = model.initial();
  for (let steps = 0; steps < stepsMax; steps++) {
    const refused = replay.refusals(state, random);
    if (refused !== undefined) return { steps, difference: refused };
    const options: Step[] = [];
    model.successors(state, (action, next) => options.push({ action, state: next.slice() }));
    const chosen = drawn(options, random);
    if (chosen === undefined) return { steps, difference: undefined };
    const difference = replay.take(chosen);
    if (difference !== undefined) {
      return { steps, difference: `${model.describe(chosen.action)}: ${difference}` };
    }
    state = chosen.state;
  }
  return { steps: stepsMax, difference: undefined };
};
