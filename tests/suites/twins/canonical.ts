/**
 * One text for all worlds that differ by names only, and by what cannot matter any more: what is live
 * (`./live.ts`), with blocks named by their places above the lowest committed one, views by their ranks,
 * and validators in the order that gives the least text. The two hosts of a validator are as alike as the
 * validators with one host.
 *
 * Worlds of one text do the same for ever, up to names. It is argued field by field (`./fields.ts`) and
 * tried: the suite compares what follows from worlds that were merged, and merged with unmerged explorations.
 */
import { assert, toHex } from "@ioi/base";
import type { Slot } from "@ioi/consensus";
import type { ConsensusMessage } from "@ioi/wire";
import type { Ballot, OpenEngine } from "./fields.ts";
import { isOpen, knows, Live, mayPropose, proposalsOf, slotOf } from "./live.ts";
import type { World } from "./world.ts";

const permutations = (items: readonly number[]): readonly (readonly number[])[] =>
  items.length === 0
    ? [[]]
    : items.flatMap((first) =>
        permutations(items.filter((each) => each !== first)).map((rest) => [first, ...rest]),
      );

/** Voters stand in texts as one character, whose number is a set of bits, until they are renamed. */
const setsFrom = 0xe000;
const isSet = /[\ue000-\ue0ff]/gu;
const setOf = (voters: Iterable<number>): string => {
  let bits = 0;
  for (const voter of voters) bits |= 1 << voter;
  return String.fromCharCode(setsFrom + bits);
};
const bitsOf = (set: string): number => set.charCodeAt(0) - setsFrom;
const sizeOf = (set: string): string => {
  let ones = 0;
  for (let bits = bitsOf(set); bits > 0; bits >>= 1) ones += bits & 1;
  return `${ones}`;
};

/** Views too, until those that are left are ranked. */
const viewsFrom = 0xf000;
const isView = /[\uf000-\uf0ff]/gu;
const viewOf = (view: bigint): string => String.fromCharCode(viewsFrom + Number(view));

/** Views are compared, and asked whether one follows another: what lies between is of no account. */
const ranked = (text: string): string => {
  const views = [...new Set(text.match(isView))].toSorted();
  const ranks = new Map<string, string>();
  let [before, rank] = [-1, 0];
  for (const view of views) {
    const code = view.charCodeAt(0);
    if (before >= 0) rank += code === before + 1 ? 1 : 2;
    ranks.set(view, `${rank}.`);
    before = code;
  }
  return text.replaceAll(isView, (view) => ranks.get(view) ?? "");
};

const slotText = (slot: Slot | undefined): string =>
  slot === undefined ? "" : `${viewOf(slot.view)}${slot.kind}`;

/** With the two hosts of the last validator in one order. */
class Portrait {
  readonly #live: Live;
  readonly #isSwapped: boolean;
  readonly #names = new Map<string, string>();

  constructor(live: Live, isSwapped: boolean) {
    this.#live = live;
    this.#isSwapped = isSwapped;
  }

  /** Of each host; the last is of what the two hosts share. */
  get texts(): readonly string[] {
    const { engines, world, last } = this.#live;
    const singles = world.nodes - 1;
    const texts = engines.map((engine, index) => this.#host(engine, index));
    const alone = texts.slice(0, singles).map((text, index) => `${text}|${this.#guardian(index)}`);
    const pair = texts.slice(singles);
    // A timeout is justified by nothing.
    const isTimeout = last?.kind === "timeout";
    const again =
      last === undefined || isTimeout
        ? slotText(last)
        : `${slotText(last)}${viewOf(last.justView)}${this.#name(toHex(last.digest))}`;
    const now = viewOf(BigInt(world.rounds.length));
    const shared = `${this.#guardian(singles)}|${again}|${now}|${this.#leaders().join("")}`;
    return [...alone, ...(this.#isSwapped ? pair.toReversed() : pair), shared];
  }

  #name(digest: string): string {
    const known = this.#names.get(digest);
    if (known !== undefined) return known;
    const { base, world } = this.#live;
    const made = world.made.get(digest);
    let name = "old";
    if (digest === base) name = `r${viewOf(made?.block.header.view ?? 0n)}`;
    else if (made !== undefined && this.#live.has(digest)) {
      // Only the two hosts of one validator make two blocks on one parent in one view.
      const isFirst = (made.host === world.nodes) === this.#isSwapped;
      const by = this.#live.isAlone(digest) ? "" : isFirst ? "a" : "b";
      name = `(${this.#name(made.parent)}>${viewOf(made.block.header.view)}${by})`;
    }
    this.#names.set(digest, name);
    return name;
  }

  /** Of views whose round is over, and which their leader may still enter. */
  #leaders(): readonly string[] {
    const { engines, world } = this.#live;
    return world.rounds.flatMap(({ leader }, at) => {
      const view = BigInt(at + 1);
      const isBehind = engines.some(
        ({ _pace }, host) => world.host(host).validator === leader && _pace.view < view,
      );
      return isBehind ? [`${viewOf(view)}${setOf([leader])}`] : [];
    });
  }

  #refs(refs: Iterable<{ readonly digest: Uint8Array }>): readonly string[] {
    return [...refs].map(({ digest }) => this.#name(toHex(digest))).toSorted();
  }

  #host(engine: OpenEngine, index: number): string {
    const { tree, missing, _certified } = engine._knows;
    const { _pace, _tally, _slot, _building, _ready } = engine;
    const live = this.#live;
    const mine = mayPropose(engine);
    const held = [...tree._nodes.keys()].filter((key) => live.has(key));
    const waiting = [...missing._waiting._entries.keys()].filter((key) => live.has(key));
    const orphans = [...tree._orphans._entries.values()];
    return [
      viewOf(_pace.view),
      this.#flags(engine, index),
      slotText(slotOf(_slot, engine)),
      mine && _building !== undefined ? this.#name(toHex(_building)) : "",
      mine && _ready !== undefined ? this.#name(_ready.key) : "",
      proposalsOf(engine)
        .map(([view, { digest }]) => {
          const key = toHex(digest);
          const payload = isOpen(_slot, view, "vote") ? engine._payloads._entries.get(key) : "";
          return `${viewOf(view)}${this.#name(key)}${payload ?? "?"}`;
        })
        .toSorted(),
      (live.sents[index] ?? []).map((each) => this.#sent(each, index)),
      this.#ballots(
        _tally._votes,
        (view, digest) => live.hasVotes(view) && !knows(engine, digest, view),
      ),
      this.#ballots(_tally._timeouts, (view) => view >= _pace.view && live.hasTimeouts(view)),
      this.#name(toHex(tree._root.digest)),
      this.#name(toHex(tree._high.digest)),
      _certified === tree._high.view ? "" : viewOf(_certified),
      held.map((key) => `${this.#name(key)}${tree._certs.has(key) ? "!" : ""}`).toSorted(),
      this.#refs(orphans.filter(({ view }) => view > tree._root.view)),
      [...missing._wanted.keys()].map((key) => this.#name(key)).toSorted(),
      waiting.map((key) => this.#name(key)).toSorted(),
    ].join("|");
  }

  #flags(engine: OpenEngine, index: number): string {
    const { _pace, _opened, _rejectedView, _rejectedTenure } = engine;
    const { engines, world } = this.#live;
    const isAhead = engines.some((other) => other._pace.view < _pace.view);
    const flags = [
      _pace._isOver,
      world.host(index).expired >= _pace.view,
      engine._isRefused,
      engine._isAsked,
      // A certificate of timeouts is of use to those who are behind.
      isAhead && _opened !== undefined,
      _rejectedView >= _pace.view,
      _rejectedTenure >= _pace.view - 1n,
      engine._timeoutFor !== undefined,
    ];
    return flags.map(Number).join("");
  }

  #sent(message: ConsensusMessage, index: number): string {
    if (message.type !== "timeout") {
      const name = "envelope" in message ? this.#name(toHex(message.envelope.digest)) : "";
      return `${message.type}${name}`;
    }
    const { qc, envelope } = message;
    const [view, high] = [viewOf(envelope.view), viewOf(envelope.high.view)];
    const isKnown = this.#live.engines.every(
      (each, other) =>
        other === index ||
        (each._knows._certified >= envelope.high.view && knows(each, toHex(qc.digest), qc.view)),
    );
    return `t${view}${isKnown ? "" : `/${high}${this.#name(toHex(qc.digest))}`}`;
  }

  #ballots(
    ballots: ReadonlyMap<bigint, Ballot>,
    isLive: (view: bigint, digest: string) => boolean,
  ): readonly string[] {
    const found: string[] = [];
    for (const [view, { _groups }] of ballots) {
      for (const group of _groups.values()) {
        const [first] = group.values();
        assert(first !== undefined, "somebody is in it");
        const digest = toHex(first.digest);
        if (!isLive(view, digest)) continue;
        found.push(`${viewOf(view)}${this.#name(digest)}=${setOf(group.keys())}`);
      }
    }
    return found.toSorted();
  }

  /** Its lock, where its hosts do not hold it themselves. */
  #guardian(validator: number): string {
    const { engines, world } = this.#live;
    const state = world.signers[validator]?.state;
    assert(state !== undefined, "a Guardian");
    const hosts = engines.filter((_, host) => world.host(host).validator === validator);
    const slot = hosts.map((each) => slotOf(state.slot, each)).find((each) => each !== undefined);
    const isLock = hosts.some(({ _knows }) => state.high.view > _knows.tree._high.view);
    return `${slotText(slot)}/${isLock ? viewOf(state.high.view) : ""}`;
  }
}

export interface Canonical {
  readonly text: string;
  /** Of hosts; by names that are not canonical. */
  readonly order: readonly number[];
}

export const canonical = (world: World): Canonical => {
  const singles = world.nodes - 1;
  const orders = permutations(Array.from({ length: singles }, (_, i) => i));
  const live = new Live(world);
  let least: Canonical | undefined;
  for (const isSwapped of [false, true]) {
    const { texts } = new Portrait(live, isSwapped);
    const blind = texts.map((text) => text.replaceAll(isSet, sizeOf));
    const isFalling = (order: readonly number[]): boolean =>
      order.some((old, at) => at > 0 && (blind[old] ?? "") < (blind[order[at - 1] ?? old] ?? ""));
    for (const order of orders) {
      // Those who differ by more than names have one order.
      if (isFalling(order)) continue;
      const renamed = (set: string): string => {
        let bits = bitsOf(set) & (1 << singles);
        for (const [at, old] of order.entries()) bits |= ((bitsOf(set) >> old) & 1) << at;
        return String.fromCharCode(setsFrom + bits);
      };
      const lines = [...order.map((old) => texts[old] ?? ""), ...texts.slice(singles)];
      const text = lines.join("\n").replaceAll(isSet, renamed);
      if (least !== undefined && text >= least.text) continue;
      const pair = isSwapped ? [singles + 1, singles] : [singles, singles + 1];
      least = { text, order: [...order, ...pair] };
    }
  }
  assert(least !== undefined, "one of the orders");
  return { ...least, text: ranked(least.text) };
};
