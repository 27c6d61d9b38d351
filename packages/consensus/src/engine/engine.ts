/**
 * One host of an epoch: rules R1 to R9 and C1 of specs/consensus as a machine.
 *
 * It takes messages, answers of its Guardian and of whoever holds payloads, and the time; it gives
 * effects, which are performed in order (`./types.ts`). One request is with the Guardian at a time; what
 * to ask for next is worked out anew after every input, so nothing is queued.
 *
 * Invariants: everything received is verified before it has an effect; what is refused changes nothing;
 * every certificate that a request to the Guardian names is persisted before the request; after a
 * conviction, and after the end of its epoch, it signs nothing but its freeze.
 * Bounds: those of the tree, the tally and the evidence; `missingBlocksMax` blocks that are asked for.
 */
import { assert, equalBytes, Lru, type Machine, type Rejection, type Result } from "@ioi/base";
import type {
  ConsensusBlock,
  ConsensusMessage,
  Envelope,
  QuorumCert,
  TimeoutCert,
} from "@ioi/wire";
import type { Judge } from "../certificates.ts";
import { blockIntervalMs, missingBlocksMax, tenureViews } from "../limits.ts";
import { compareSlots, keyOf, sameContext, type Slot } from "../objects.ts";
import { Schedule, tenureOf } from "../schedule.ts";
import { inspect } from "./inspect.ts";
import { fine, Knowledge, type Outcome } from "./knowledge.ts";
import { Outlet } from "./outlet.ts";
import { Pacemaker } from "./pacemaker.ts";
import { blockOnHigh, messageOf, persistedLast, proposalWaitMs } from "./proposing.ts";
import { Tally } from "./tally.ts";
import type { Node } from "./tree.ts";
import { Resend } from "./resend.ts";
import { nextTurn, type Proposal, type Situation } from "./turn.ts";
import type {
  EngineEffect,
  EngineInput,
  EngineOptions,
  EngineStart,
  HostRule,
  Payload,
} from "./types.ts";

export class Engine implements Machine<EngineInput, EngineEffect, number> {
  readonly #options: EngineOptions;
  readonly #judge: Judge;
  readonly #schedule: Schedule;
  readonly #knows: Knowledge;
  readonly #tally: Tally;
  readonly #pace: Pacemaker;
  readonly #leader = (view: bigint): number => this.#schedule.leader(view);
  readonly #out: Outlet;
  /** With the Guardian. */
  #isAsked = false;
  /** It did not sign; it is asked again when messages are sent again, or in the next view. */
  #isRefused = false;
  /** Of the last envelope of its own. */
  #slot: Slot;
  readonly #resend: Resend;
  /** The first proposal of a leader for a view. */
  readonly #proposals = new Map<bigint, Proposal>();
  readonly #payloads = new Lru<string, "asked" | "held" | "refused">(missingBlocksMax);
  /** The certificate that opened this view, where it was one of timeouts. */
  #opened: TimeoutCert | undefined;
  /** What the Guardian is to sign a TIMEOUT for. */
  #timeoutFor: bigint | undefined;
  #rejectedView = -1n;
  #rejectedTenure = -1n;
  /** Hash of the block on which one is built for this view. */
  #building: Uint8Array | undefined;
  #ready: Node | undefined;
  #proposedMs = Number.NEGATIVE_INFINITY;
  #payloadWaits = false;
  #isWaitedFor = false;
  /** Another host waits for something in this view or later. */
  #othersWait = false;
  #commits = 0;

  constructor(options: EngineOptions, start: EngineStart, nowMs: number) {
    const { judge, baseMs } = options;
    this.#options = options;
    this.#judge = judge;
    this.#schedule = new Schedule(judge.provider, options.seed, judge.set, options.leaders);
    this.#out = new Outlet(options, nowMs);
    this.#knows = new Knowledge(options, this.#leader, start, this.#out);
    this.#out.join(options, start, this.#knows);
    this.#tally = new Tally(judge);
    this.#slot = { view: judge.anchor.view, kind: "timeout" };
    this.#pace = new Pacemaker(options, this.#schedule, start.root.view + 1n, nowMs);
    this.#resend = new Resend(baseMs, nowMs);
    this.#restore(start.records, nowMs);
    this.#out.keepCommits();
  }

  get view(): bigint {
    return this.#pace.view;
  }
  /** The highest certificate of a block that is held. */
  get high(): QuorumCert {
    return this.#knows.tree.high;
  }

  /** It signs no more: its epoch ended, or a Guardian was convicted. */
  get isStopped(): boolean {
    return this.#knows.isOver || this.#knows.conviction !== undefined;
  }

  deadline(): number | undefined {
    const times = [this.#out.guards.dueMs, this.#out.ending.dueMs];
    if (!this.isStopped) {
      const { deadlineMs, enteredMs } = this.#pace;
      times.push(deadlineMs, this.#proposeMs());
      if (this.#isWaitedFor) times.push(this.#resend.dueMs);
      else if (this.#options.heartbeatMs > 0) times.push(enteredMs + this.#options.heartbeatMs);
    }
    const known = times.filter((each) => each !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  handle(input: EngineInput, nowMs: number): readonly EngineEffect[] {
    this.#out.nowMs = nowMs;
    switch (input.type) {
      case "message": {
        const outcome = this.#receive(input.message, input.from, nowMs);
        if (!outcome.ok) {
          this.#out.emit({ type: "refused", from: input.from, error: outcome.error });
        }
        break;
      }
      case "signed":
      case "unsigned": {
        this.#isAsked = false;
        // A Guardian that was set back may stand in another epoch.
        const envelope = input.type === "signed" ? input.envelope : undefined;
        if (envelope === undefined || !sameContext(this.#judge.context, envelope)) {
          this.#isRefused = true;
        } else this.#signed(envelope, nowMs);
        break;
      }
      case "built":
        this.#built(input, input.view, nowMs);
        break;
      case "judged":
        this.#payloads.set(keyOf(input.digest), input.isHeld ? "held" : "refused");
        break;
      case "payload":
        this.#payloadWaits = input.waits;
        break;
      case "guard":
        this.#out.guards.want(input.height);
        break;
      case "recalled":
        this.#knows.recalled(input);
        break;
      case "tick":
        break;
    }
    this.#progress(nowMs);
    const effects = this.#out.take();
    return this.#has("R3-first") ? effects : persistedLast(effects);
  }

  #has(rule: HostRule): boolean {
    return this.#options.without?.has(rule) !== true;
  }

  /** Everything is verified first; then it counts. */
  #receive(message: ConsensusMessage, from: number, nowMs: number): Result<true, Rejection> {
    const { tree, certified } = this.#knows;
    const { view } = this;
    const has = (rule: HostRule): boolean => this.#has(rule);
    const gate = { judge: this.#judge, tree, view, certified, leader: this.#leader, has };
    const voter = inspect(gate, message);
    if (!voter.ok) return voter;
    if ("envelope" in message) this.#knows.observe(message.envelope, voter.value);
    switch (message.type) {
      case "proposal":
        return this.#proposed(message, from, nowMs);
      case "vote":
        this.#certify(this.#tally.vote(message.envelope, voter.value), nowMs);
        return fine;
      case "timeout":
        this.#learn(message.qc, from, nowMs);
        if (message.envelope.view >= this.view) this.#othersWait = true;
        this.#opens(this.#tally.timeout(message.envelope, voter.value), nowMs);
        return fine;
      case "qc":
      case "freeze":
        return this.#learn(message.qc, from, nowMs);
      case "tc":
        this.#learn(message.qc, from, nowMs);
        this.#opens(message.tc, nowMs);
        return fine;
      case "nack":
        return this.#rejected(message, from, nowMs);
      case "fetch":
        return this.#knows.fetch(message.digest, from);
      case "block":
        return this.#follow(this.#knows.fetched(message.block, from), nowMs);
      case "divergence":
        return this.#knows.admit(message.proof, nowMs);
      case "guard":
        // GS2: whoever answers holds both certificates from then on.
        this.#learn(message.commit.blockQc, from, nowMs);
        this.#learn(message.commit.childQc, from, nowMs);
        this.#out.guards.heard(from, message.commit);
        return fine;
      case "guarded":
        return this.#out.guards.answered(message.answer);
    }
  }

  #proposed(
    { block, envelope, tc }: Extract<ConsensusMessage, { type: "proposal" }>,
    from: number,
    nowMs: number,
  ): Outcome {
    this.#learn(block.justify, from, nowMs);
    this.#opens(tc, nowMs);
    this.#hold(block, from, nowMs);
    const { view, digest } = envelope;
    if (!this.#proposals.has(view)) this.#proposals.set(view, { envelope, digest });
    return fine;
  }

  /** R5: the first valid one of a tenure is kept, passed on, and ends its view. */
  #rejected(
    message: Extract<ConsensusMessage, { type: "nack" }>,
    from: number,
    nowMs: number,
  ): Outcome {
    const { propose, qc } = message.nack;
    this.#knows.observe(propose, this.#leader(propose.view));
    this.#learn(qc, from, nowMs);
    const tenure = tenureOf(propose.view, this.#schedule.views);
    const isFirst = tenure > this.#rejectedTenure;
    if (propose.view !== this.view || !isFirst || !this.#has("R5-nack")) return fine;
    this.#rejectedTenure = tenure;
    this.#out.broadcast(message);
    this.#timeoutFor ??= this.view;
    return fine;
  }

  #certify(qc: QuorumCert | undefined, nowMs: number): void {
    // Votes may agree on what no certificate may say (V3).
    if (qc === undefined || !this.#judge.quorumCert(qc).ok) return;
    this.#follow(this.#knows.learned(qc, this.#options.me), nowMs);
  }

  /** What was learned may open a view: a certificate does, even if its block is not held. */
  #follow<T>(learned: T, nowMs: number): T {
    const { certified, commits } = this.#knows;
    this.#enter(certified + 1n, "quorum", nowMs);
    if (commits !== this.#commits) this.#pace.reset();
    this.#commits = commits;
    return learned;
  }

  #learn(qc: QuorumCert, from: number, nowMs: number): Outcome {
    return this.#follow(this.#knows.learn(qc, from), nowMs);
  }

  #hold(block: ConsensusBlock, from: number, nowMs: number): Outcome {
    return this.#follow(this.#knows.hold(block, from), nowMs);
  }

  /** Of a certificate that is real. It opens the view after its own, and no other. */
  #opens(tc: TimeoutCert | undefined, nowMs: number): void {
    if (tc === undefined || tc.view < this.view) return;
    this.#knows.observeAll(this.#judge.timeoutsOf(tc));
    this.#out.persist({ type: "tc", tc });
    this.#enter(tc.view + 1n, "timeout", nowMs, tc);
  }

  #enter(view: bigint, by: "quorum" | "timeout", nowMs: number, tc?: TimeoutCert): void {
    if (!this.#pace.enter(view, by, nowMs)) return;
    this.#opened = tc;
    this.#resend.begin(nowMs);
    this.#isRefused = false;
    this.#timeoutFor = undefined;
    this.#building = undefined;
    this.#ready = undefined;
    this.#othersWait = false;
    this.#tally.forget(view - tenureViews);
    for (const each of this.#proposals.keys()) {
      if (each + 1n < view) this.#proposals.delete(each);
    }
  }

  #progress(nowMs: number): void {
    this.#keepTime(nowMs);
    for (;;) {
      if (this.#isAsked || this.#isRefused) return;
      if (this.#knows.isOver && this.#out.ending.dueMs === undefined) return;
      const turn = nextTurn(this.#situation(nowMs));
      if (turn === undefined) return;
      switch (turn.type) {
        case "sign":
          this.#isAsked = true;
          this.#out.emit({ type: "sign", request: turn.request });
          return;
        case "judge": {
          const { key, block, digest, isOver } = turn.node;
          this.#payloads.set(key, "asked");
          const isAbove = isOver && block.header.ends === undefined;
          this.#out.emit({ type: "judge", block, digest, isOver: isAbove });
          break;
        }
        case "build":
          this.#build(turn.high);
          break;
        case "reject": {
          this.#rejectedView = this.view;
          const message = { type: "nack", nack: turn.nack } as const;
          this.#out.broadcast(message);
          this.#rejected(message, this.#options.me, nowMs);
          break;
        }
      }
    }
  }

  #situation(nowMs: number): Situation {
    const proposeMs = this.#proposeMs();
    return {
      tree: this.#knows.tree,
      view: this.view,
      nowMs,
      deltaMs: this.#options.deltaMs,
      slot: this.#slot,
      conviction: this.#knows.conviction,
      isOver: this.#knows.isOver,
      timeoutFor: this.#timeoutFor,
      opensByQuorum: this.#opened === undefined,
      proposals: this.#proposals,
      rejectedView: this.#rejectedView,
      ready: this.#ready,
      mayBuild: proposeMs !== undefined && proposeMs <= nowMs,
      minds: { lock: this.#has("R2-lock"), ownVote: this.#has("R4-own-vote") },
      payloadOf: (key) => this.#payloads.get(key),
    };
  }

  /** R6, R7: what is due by the clock. */
  #keepTime(nowMs: number): void {
    if (this.isStopped) return;
    this.#isWaitedFor = this.#isAwaited(nowMs);
    this.#pace.run(this.#isWaitedFor, nowMs);
    if (this.#pace.expire(nowMs)) this.#timeoutFor = this.#pace.timeoutView;
    if (!this.#isWaitedFor || nowMs < this.#resend.dueMs) return;
    this.#resend.begin(nowMs);
    this.#isRefused = false;
    if (!this.#has("R7-resend")) return;
    const { tree, missing } = this.#knows;
    const messages = this.#resend.messages(tree.high, this.#opened, missing.wanted);
    for (const message of messages) this.#out.broadcast(message);
  }

  /** R9: there is something to commit, or a heartbeat is due, or another host waits. */
  #isAwaited(nowMs: number): boolean {
    const { heartbeatMs } = this.#options;
    return (
      this.#payloadWaits ||
      this.#othersWait ||
      this.#knows.tree.hasPayload ||
      (heartbeatMs > 0 && nowMs >= this.#pace.enteredMs + heartbeatMs)
    );
  }

  /** When this host begins to build its block for the view; undefined where it does not. */
  #proposeMs(): number | undefined {
    const { view } = this;
    const { high } = this.#knows.tree;
    const isMine = this.#leader(view) === this.#options.me && this.#isWaitedFor;
    const isOpen = compareSlots({ view, kind: "propose" }, this.#slot) > 0;
    if (!isMine || !isOpen || this.#timeoutFor !== undefined) return undefined;
    if (this.#isAsked || this.#isRefused) return undefined;
    if (this.#building !== undefined && equalBytes(this.#building, high.digest)) return undefined;
    const reports = this.#tally.timeoutsOf(view - 1n);
    const waitMs = proposalWaitMs(this.#options, high, view, reports);
    return Math.max(this.#pace.enteredMs + waitMs, this.#proposedMs + blockIntervalMs);
  }

  #build(high: QuorumCert): void {
    const parent = this.#knows.tree.above(high.digest);
    assert(parent !== undefined, "the block of the highest certificate");
    this.#building = high.digest;
    this.#out.emit({
      type: "build",
      view: this.view,
      parent: high.digest,
      height: parent.height + 1n,
      stateHeight: parent.commitHeight,
      isOver: parent.isOver,
    });
  }

  #built(payload: Payload & { readonly parent: Uint8Array }, view: bigint, nowMs: number): void {
    const { high } = this.#knows.tree;
    const parent = this.#knows.tree.above(high.digest);
    const isStale = view !== this.view || !equalBytes(payload.parent, high.digest);
    if (isStale || parent === undefined) return;
    const place = { view, me: this.#options.me, nowMs };
    const block = blockOnHigh(this.#judge, parent, high, payload, place);
    const node = this.#knows.tree.insert(block);
    if (!node.ok) return;
    this.#payloads.set(node.value.key, "held");
    this.#ready = node.value;
    this.#out.persist({ type: "block", block });
  }

  #signed(envelope: Envelope, nowMs: number): void {
    const { me } = this.#options;
    const slot = { view: envelope.view, kind: envelope.kind };
    if (compareSlots(slot, this.#slot) > 0) this.#slot = slot;
    this.#out.persist({ type: "envelope", envelope });
    const message = messageOf(envelope, this.#knows.tree, this.#opened);
    if (message === undefined) return;
    this.#resend.remember(message, envelope.view);
    this.#out.broadcast(message);
    this.#knows.observe(envelope, me);
    switch (envelope.kind) {
      case "propose":
        this.#proposedMs = nowMs;
        this.#proposals.set(envelope.view, { envelope, digest: envelope.digest });
        break;
      case "vote":
        this.#out.guards.voted(envelope);
        this.#certify(this.#tally.vote(envelope, me), nowMs);
        break;
      case "timeout":
        this.#opens(this.#tally.timeout(envelope, me), nowMs);
        break;
      case "freeze":
    }
  }

  /** Of what was persisted: verified then, and verified again, since the disk is not believed. */
  #restore(records: EngineStart["records"], nowMs: number): void {
    const { me } = this.#options;
    for (const record of records) {
      switch (record.type) {
        case "block":
          this.#hold(record.block, me, nowMs);
          break;
        case "qc":
          if (this.#judge.quorumCert(record.qc).ok) this.#learn(record.qc, me, nowMs);
          break;
        case "tc":
          if (this.#judge.timeoutCert(record.tc).ok) this.#opens(record.tc, nowMs);
          break;
        case "envelope":
          // Its own vote and timeout count again; nobody else could say them.
          this.#signed(record.envelope, nowMs);
      }
    }
  }
}
