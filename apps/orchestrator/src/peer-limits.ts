/**
 * What one peer of the public port may have: connections, calls in a second, open streams. A peer
 * is an address.
 *
 * Bounds: peers that have something open, and the newest {@link peersMax} others.
 */
import { Lru, OperationError } from "@ioi/base";
import {
  eventStreamsMax,
  peerCallsBurst,
  peerCallsPerSecond,
  peerConnectionsMax,
  peersMax,
} from "./limits.ts";

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

const tooMuch = (message: string): OperationError =>
  new OperationError("E_PEER_LIMIT", message, {
    retryable: true,
    next: "Wait a second, then call again.",
  });

/** Counts what is open, by peer; forgets a peer with nothing open. */
class Open {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  take(peer: string): Disposable | undefined {
    const count = this.#counts.get(peer) ?? 0;
    if (count >= this.#most) return undefined;
    this.#counts.set(peer, count + 1);
    return {
      [Symbol.dispose]: () => {
        const left = (this.#counts.get(peer) ?? 1) - 1;
        if (left === 0) this.#counts.delete(peer);
        else this.#counts.set(peer, left);
      },
    };
  }
}

export class PeerLimits {
  readonly #buckets: Lru<string, Bucket> = new Lru(peersMax);
  readonly #connections: Open = new Open(peerConnectionsMax);
  readonly #streams: Open = new Open(eventStreamsMax);
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** Undefined where the peer has too many. */
  connect(peer: string): Disposable | undefined {
    return this.#connections.take(peer);
  }

  /** Throws E_PEER_LIMIT. */
  call(peer: string): void {
    const nowMs = this.#nowMs();
    const { tokens, atMs } = this.#buckets.get(peer) ?? { tokens: peerCallsBurst, atMs: nowMs };
    const gained = ((nowMs - atMs) / 1000) * peerCallsPerSecond;
    const left = Math.min(peerCallsBurst, tokens + gained) - 1;
    this.#buckets.set(peer, { tokens: Math.max(0, left), atMs: nowMs });
    if (left < 0) throw tooMuch(`more than ${peerCallsPerSecond} calls in a second`);
  }

  /** Throws E_PEER_LIMIT. */
  stream(peer: string): Disposable {
    const stream = this.#streams.take(peer);
    if (stream === undefined) throw tooMuch(`more than ${eventStreamsMax} open streams`);
    return stream;
  }
}
