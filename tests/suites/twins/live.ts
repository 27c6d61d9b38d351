/**
 * What of a world may still matter between two rounds. Whatever a host sends from now on is made of what
 * hosts send again (R7), of their highest certificates, and of what they may still sign: so votes, blocks and
 * slots that nobody can speak of any more are nothing to anybody, and two worlds that differ by them only
 * do the same for ever.
 */
import { toHex } from "@ioi/base";
import { compareSlots, type Slot } from "@ioi/consensus";
import type { ConsensusMessage, Envelope } from "@ioi/wire";
import { opened, type OpenEngine } from "./fields.ts";
import type { Made, World } from "./world.ts";

export const isOpen = (slot: Slot, view: bigint, kind: Slot["kind"]): boolean =>
  compareSlots({ view, kind }, slot) > 0;

/** Proposals for which a vote, or a rejection, is still to come. */
export const proposalsOf = ({ _proposals, _pace, _opened, _slot, _timeoutFor }: OpenEngine) =>
  [..._proposals].filter(([view]) =>
    view < _pace.view
      ? _opened === undefined && isOpen(_slot, view, "vote")
      : _timeoutFor === undefined || isOpen(_slot, view, "vote"),
  );

export const mayPropose = ({ _timeoutFor, _slot, _pace }: OpenEngine): boolean =>
  _timeoutFor === undefined && isOpen(_slot, _pace.view, "propose");

/** Undefined where it forbids nothing that the host could still ask for. */
export const slotOf = (slot: Slot, engine: OpenEngine): Slot | undefined => {
  const { view } = engine._pace;
  const isPast = slot.view < view && proposalsOf(engine).every(([each]) => each >= view);
  return isPast ? undefined : slot;
};

export const knows = ({ _knows }: OpenEngine, digest: string, view: bigint): boolean =>
  _knows.tree._root.view >= view || _knows.tree._certs.has(digest);

/** What changes nobody who hears it is as good as nothing. */
const isNews = (message: ConsensusMessage, others: readonly OpenEngine[]): boolean => {
  switch (message.type) {
    case "proposal":
      return others.some(({ _pace }) => _pace.view <= message.envelope.view);
    case "vote": {
      const { digest, view } = message.envelope;
      return others.some((each) => !knows(each, toHex(digest), view));
    }
    case "timeout": {
      const { qc, envelope } = message;
      return others.some(
        (each) => each._pace.view <= envelope.view || !knows(each, toHex(qc.digest), qc.view),
      );
    }
    default:
      return true;
  }
};

export class Live {
  readonly world: World;
  readonly engines: readonly OpenEngine[];
  /** What each host sends again. */
  readonly sents: readonly (readonly ConsensusMessage[])[];
  /** Of the two hosts of one Guardian, the one that is behind may be given this envelope again. */
  readonly last: Envelope | undefined;
  /** The lowest committed block, on which all else stands. */
  readonly base: string;
  readonly #baseHeight: bigint;
  readonly #blocks = new Set<string>();
  readonly #votes = new Set<bigint>();
  readonly #timeouts = new Set<bigint>();
  readonly #siblings = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
    this.engines = world.hosts.map(({ engine }) => opened(engine));
    this.sents = this.engines.map(({ _resend }, index) => {
      const others = this.engines.filter((_, other) => other !== index);
      return _resend._sent.filter((each) => isNews(each, others));
    });
    const { digest, height } = this.engines
      .map(({ _knows }) => _knows.tree._root)
      .reduce((a, b) => (b.height < a.height ? b : a));
    this.base = toHex(digest);
    this.#baseHeight = height;
    const twin = world.signers[world.nodes - 1]?.state;
    const isBehind =
      twin !== undefined &&
      this.engines.slice(world.nodes - 1).some(({ _slot }) => compareSlots(_slot, twin.slot) < 0);
    this.last = isBehind ? twin.last : undefined;
    for (const [index, engine] of this.engines.entries())
      this.#host(engine, this.sents[index] ?? []);
    if (this.last !== undefined) this.#envelope(this.last);
    for (const each of this.#blocks) {
      const place = this.#place(each);
      this.#siblings.set(place, (this.#siblings.get(place) ?? 0) + 1);
    }
  }

  has(digest: string): boolean {
    return this.#blocks.has(digest);
  }

  /** Nothing that lives stands beside it, with the same parent in the same view. */
  isAlone(digest: string): boolean {
    return this.#siblings.get(this.#place(digest)) === 1;
  }

  /** Somebody may still send a vote of that view again, or vote in it. */
  hasVotes(view: bigint): boolean {
    return (
      this.#votes.has(view) ||
      this.engines.some(
        ({ _pace, _slot }) => _pace.view - 1n <= view && isOpen(_slot, view, "vote"),
      )
    );
  }

  hasTimeouts(view: bigint): boolean {
    return (
      this.#timeouts.has(view) ||
      this.engines.some(({ _pace, _slot }) => _pace.view <= view && isOpen(_slot, view, "timeout"))
    );
  }

  #place(digest: string): string {
    const made = this.world.made.get(digest);
    return made === undefined ? digest : `${made.parent}/${made.block.header.view}`;
  }

  #made(digest: string): Made | undefined {
    const made = this.world.made.get(digest);
    return made !== undefined && made.block.header.height > this.#baseHeight ? made : undefined;
  }

  /** A block and all below it, down to the base. */
  #block(digest: string): void {
    for (let at = digest; !this.#blocks.has(at);) {
      const made = this.#made(at);
      if (at !== this.base && made === undefined) return;
      this.#blocks.add(at);
      if (made === undefined) return;
      at = made.parent;
    }
  }

  #host(engine: OpenEngine, sent: readonly ConsensusMessage[]): void {
    const { _ready, _building, _knows } = engine;
    const { tree, missing } = _knows;
    for (const { digest } of [tree._root, tree._high]) this.#block(toHex(digest));
    for (const [, { digest }] of proposalsOf(engine)) this.#block(toHex(digest));
    if (_ready !== undefined && mayPropose(engine)) this.#block(_ready.key);
    if (_building !== undefined && mayPropose(engine)) this.#block(toHex(_building));
    for (const key of missing._wanted.keys()) this.#block(key);
    for (const key of missing._waiting._entries.keys()) this.#block(key);
    for (const each of sent) {
      if ("envelope" in each) this.#envelope(each.envelope);
      if (each.type === "timeout") this.#block(toHex(each.qc.digest));
    }
  }

  #envelope({ kind, view, digest }: Envelope): void {
    if (kind === "vote") this.#votes.add(view);
    if (kind === "timeout") this.#timeouts.add(view);
    else this.#block(toHex(digest));
  }
}
