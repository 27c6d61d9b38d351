/**
 * The blocks above the last committed one, and their certificates: validity of a block (V9), the highest
 * certificate, and what a certificate commits (C1).
 *
 * Invariants: every block in the tree is valid down to the root; a certificate counts only for a block
 * that is held; a commit moves the root forwards and drops what does not extend it.
 * Bounds: `blocksMax` blocks, `orphanCertsMax` certificates of blocks that are not held.
 */
import { assert, equalBytes, Lru, ok, type Result } from "@ioi/base";
import type {
  BlockHeader,
  CertifiedRef,
  CommitCert,
  ConsensusBlock,
  EpochCert,
  QuorumCert,
} from "@ioi/wire";
import { anchorCert, type ConsensusError, type Judge, refuse } from "../certificates.ts";
import { type Strength, strengthOf, weaker } from "../grades.ts";
import { blocksMax, leaseAheadMax, orphanCertsMax } from "../limits.ts";
import { blockHash, keyOf, quorumCertHash, sameContext, zeroHash } from "../objects.ts";

/** The committed block that the tree stands on. */
export interface Root extends CertifiedRef {
  readonly height: bigint;
  readonly timeMs: number;
  /** View of what it extends; of an epoch's anchor 0. */
  readonly justView: bigint;
  /** Newest height that its own certificate commits. */
  readonly commitHeight: bigint;
}

export interface Node extends Root {
  readonly block: ConsensusBlock;
  readonly key: string;
  readonly parent: string;
  /** An ancestor above the root, or the block itself, ends the epoch. */
  readonly isOver: boolean;
}

export interface Committed {
  readonly blocks: readonly ConsensusBlock[];
  readonly cert: CommitCert;
  readonly strength: Strength;
  readonly root: Root;
  /** Where one of the blocks ends the epoch. */
  readonly epochCert: EpochCert | undefined;
}

const viewOf = ({ view }: { readonly view: bigint }): bigint => view;

export class BlockTree {
  readonly #judge: Judge;
  readonly #leader: (view: bigint) => number;
  readonly #nodes = new Map<string, Node>();
  /** The strongest certificate of each block in the tree, the root included. */
  readonly #certs = new Map<string, QuorumCert>();
  readonly #orphans = new Lru<string, QuorumCert>(orphanCertsMax);
  #root: Root;
  #high: QuorumCert;

  constructor(judge: Judge, leader: (view: bigint) => number, root: Root, rootQc?: QuorumCert) {
    this.#judge = judge;
    this.#leader = leader;
    this.#root = root;
    this.#high = rootQc ?? anchorCert(judge.context, judge.anchor);
    this.#certs.set(keyOf(root.digest), this.#high);
  }

  get root(): Root {
    return this.#root;
  }

  /** The highest certificate of a block that is held: what is extended, locked and shown. */
  get high(): QuorumCert {
    return this.#high;
  }

  get(digest: Uint8Array): Node | undefined {
    return this.#nodes.get(keyOf(digest));
  }

  certOf(digest: Uint8Array): QuorumCert | undefined {
    const key = keyOf(digest);
    return this.#certs.get(key) ?? this.#orphans.get(key);
  }

  /** Something above the root is not empty. */
  get hasPayload(): boolean {
    for (const { block, height } of this.#nodes.values()) {
      const isEmpty = equalBytes(block.header.payloadRoot, zeroHash);
      if (height > this.#root.height && !isEmpty) return true;
    }
    return false;
  }

  /** What a block on `parent` says of the state, and whether it must be empty. */
  above(parent: Uint8Array): (Root & { readonly isOver: boolean }) | undefined {
    if (equalBytes(parent, this.#root.digest)) return { ...this.#root, isOver: false };
    return this.#nodes.get(keyOf(parent));
  }

  /** V9; a block whose parent is not held is E_CONSENSUS_UNKNOWN. What it extends, if it is valid. */
  verify({ header, justify }: ConsensusBlock): Result<Root & { isOver: boolean }, ConsensusError> {
    if (header.height <= this.#root.height) {
      return refuse("E_CONSENSUS_STALE", "V9: below what is committed");
    }
    if (this.#nodes.size >= blocksMax) return refuse("E_CONSENSUS_LIMIT", "too many blocks");
    const parent = this.above(header.parent);
    const complaint = this.#complaint(header, justify, parent);
    if (complaint !== undefined) return refuse("E_CONSENSUS_BLOCK", `V9: ${complaint}`);
    const real = this.#judge.quorumCert(justify);
    if (!real.ok) return real;
    if (parent === undefined) return refuse("E_CONSENSUS_UNKNOWN", "V9: its parent is not held");
    return ok(parent);
  }

  /** The node, if it is valid. */
  insert(block: ConsensusBlock): Result<Node, ConsensusError> {
    const { header, justify } = block;
    const digest = blockHash(this.#judge.provider, header);
    const key = keyOf(digest);
    const known = this.#nodes.get(key);
    if (known !== undefined) return ok(known);
    const verdict = this.verify(block);
    if (!verdict.ok) return verdict;
    const parent = verdict.value;
    const node: Node = {
      block,
      key,
      digest,
      parent: keyOf(header.parent),
      view: header.view,
      height: header.height,
      timeMs: header.timeMs,
      justView: header.justify.view,
      commitHeight: this.#commitHeight(parent),
      isOver: parent.isOver || header.ends !== undefined,
    };
    this.#nodes.set(key, node);
    this.learn(justify);
    return ok(node);
  }

  /** Of a verified certificate: true if it is news, or stronger than what was known. */
  learn(qc: QuorumCert): boolean {
    const key = keyOf(qc.digest);
    const held = this.above(qc.digest);
    if (held === undefined) {
      if (qc.view <= this.#root.view || this.#orphans.has(key)) return false;
      this.#orphans.set(key, qc);
      return true;
    }
    // V6: everything that a vote says.
    if (qc.view !== held.view || qc.justView !== held.justView) return false;
    this.#orphans.delete(key);
    if (qc.view > this.#high.view) this.#high = qc;
    return this.#keepBest(key, qc);
  }

  /** A certificate that waited for this block. */
  orphanOf(digest: Uint8Array): QuorumCert | undefined {
    return this.#orphans.get(keyOf(digest));
  }

  /** Of those in the tree. */
  childrenOf(digest: Uint8Array): readonly Node[] {
    const key = keyOf(digest);
    return [...this.#nodes.values()].filter(({ parent }) => parent === key);
  }

  /**
   * C1: the certificate of B' commits its parent B, if B' stands in the next view. Also of a pair that
   * was committed before, since its strength may have risen.
   */
  pairOf(
    childDigest: Uint8Array,
  ): { readonly cert: CommitCert; readonly strength: Strength } | undefined {
    const child = this.#nodes.get(keyOf(childDigest));
    const block = child === undefined ? undefined : this.#nodes.get(child.parent);
    if (child === undefined || block === undefined) return undefined;
    const blockQc = this.#certs.get(block.key);
    const childQc = this.#certs.get(child.key);
    if (blockQc === undefined || childQc === undefined || child.view !== block.view + 1n) {
      return undefined;
    }
    const cert = { block: block.block.header, child: child.block.header, blockQc, childQc };
    const { set } = this.#judge;
    const of = (qc: QuorumCert) =>
      strengthOf(
        set,
        qc.votes.map(({ voter }) => voter),
      );
    return { cert, strength: weaker(of(blockQc), of(childQc)) };
  }

  /** Commits B of a pair and its ancestors; undefined where it is committed already. */
  commit(childDigest: Uint8Array): Committed | undefined {
    const pair = this.pairOf(childDigest);
    if (pair === undefined || pair.cert.block.height <= this.#root.height) return undefined;
    const child = this.#nodes.get(keyOf(childDigest));
    assert(child !== undefined, "the child of a pair");
    const path: Node[] = [];
    for (
      let at = this.#nodes.get(child.parent);
      at !== undefined;
      at = this.#nodes.get(at.parent)
    ) {
      if (at.height <= this.#root.height) break;
      path.push(at);
    }
    path.reverse();
    const top = path.at(-1);
    assert(top !== undefined && path[0]?.parent === keyOf(this.#root.digest), "a path to the root");
    const ends = path.findIndex(({ block }) => block.header.ends !== undefined);
    const boundary = path[ends];
    const blocks = (boundary === undefined ? path : path.slice(0, ends + 1)).map(viewBlock);
    const epochCert: EpochCert | undefined =
      boundary === undefined
        ? undefined
        : {
            boundary: boundary.block.header,
            path: path.slice(ends + 1).map(({ block }) => block.header),
            commit: pair.cert,
          };
    const { view, digest, height, timeMs, justView, commitHeight } = top;
    this.#root = { view, digest, height, timeMs, justView, commitHeight };
    this.#prune(top);
    return { blocks, ...pair, root: this.#root, epochCert };
  }

  #complaint(
    header: BlockHeader,
    justify: QuorumCert,
    parent: (Root & { readonly isOver: boolean }) | undefined,
  ): string | undefined {
    const { provider, context } = this.#judge;
    if (!sameContext(context, header)) return "it is of another chain, epoch or set";
    if (header.view <= viewOf(header.justify)) return "its view does not rise";
    if (header.proposer !== this.#leader(header.view))
      return "its proposer does not lead that view";
    if (justify.view !== header.justify.view) return "its certificate is of another view";
    if (!equalBytes(justify.digest, header.parent)) return "its certificate is for another block";
    if (!equalBytes(quorumCertHash(provider, justify), header.justify.hash)) {
      return "it carries another certificate than it names";
    }
    const { ends } = header;
    if (ends !== undefined && ends.leaseEnd > header.view + leaseAheadMax) {
      return "a lease ends too far above it";
    }
    if (parent === undefined) return undefined;
    if (justify.view !== parent.view || justify.justView !== parent.justView) {
      return "its certificate is not for its parent";
    }
    if (header.height !== parent.height + 1n) return "its height is not one above its parent's";
    if (header.timeMs <= parent.timeMs) return "its time does not rise";
    if (header.stateHeight !== parent.commitHeight) return "it is about another state";
    if (parent.isOver && (!equalBytes(header.payloadRoot, zeroHash) || header.ends !== undefined)) {
      return "it is not empty, and the epoch is over";
    }
    return undefined;
  }

  /** What a certificate for `parent` commits, at most. */
  #commitHeight(parent: Root): bigint {
    const isAnchor = equalBytes(parent.digest, this.#judge.anchor.digest);
    return !isAnchor && parent.view === parent.justView + 1n
      ? parent.height - 1n
      : parent.commitHeight;
  }

  #keepBest(key: string, qc: QuorumCert): boolean {
    const known = this.#certs.get(key);
    const { set } = this.#judge;
    const power = (each: QuorumCert): bigint => set.power(each.votes.map(({ voter }) => voter));
    if (known !== undefined && power(known) >= power(qc)) return false;
    this.#certs.set(key, qc);
    return true;
  }

  /** Keeps the new root itself, whose pair may still grow stronger, and what extends it. */
  #prune(top: Node): void {
    const kept = new Set<string>([top.key]);
    // Parents are inserted before their children.
    for (const node of this.#nodes.values()) if (kept.has(node.parent)) kept.add(node.key);
    for (const key of this.#nodes.keys()) if (!kept.has(key)) this.#nodes.delete(key);
    for (const key of this.#certs.keys()) if (!kept.has(key)) this.#certs.delete(key);
  }
}

const viewBlock = ({ block }: Node): ConsensusBlock => block;
