/**
 * A builder who left out ways to what is nearest, and certificates that none is nearer: changed in every
 * field, and asked of that builder.
 */
import { SeededRandom } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { mhnsw } from "@ioi/state";
import { type NearestClaim, verifyNearest, verifyRetrieval } from "@ioi/verifier";
import { changeBytes, changeRegion, type Region } from "./bytes.ts";
import { certificateRegions } from "./index-proof.ts";
import { Tally, type Tried } from "./tally.ts";

const dimension = 16;
const parameters = { dimension, m: 8, efConstruction: 24, salt: new Uint8Array(32) };
/** So wide that all is looked at that ways lead to. */
const wanted = { ef: 1024, rerank: 1024, final: 1024, k: 8 };
const nodes = 800;
/** A twentieth of them. */
const hiddenNodes = 40;

const vectorOf = (random: SeededRandom): Int16Array =>
  Int16Array.from({ length: dimension }, () => random.below(4000) - 2000);

const build = (vectors: readonly Int16Array[]): mhnsw.Graph => {
  const graph = new mhnsw.Graph(nodeCrypto, parameters);
  for (const vector of vectors) graph.add(vector, nodeCrypto.sha256(new Uint8Array(vector.buffer)));
  return graph;
};

const nearestTo = (query: Int16Array, vectors: readonly Int16Array[]): readonly number[] => {
  const scoreOf = (id: number): number =>
    mhnsw.makeQuery(query).whole.reduce((sum, q, i) => sum + q * (vectors[id]?.[i] ?? 0), 0);
  return vectors
    .map((_, id) => id)
    .sort((a, b) => scoreOf(b) - scoreOf(a) || a - b)
    .slice(0, hiddenNodes);
};

/** Takes all ways to them out of the lists of the others. */
const hide = (graph: mhnsw.Graph, hidden: ReadonlySet<number>): void => {
  for (let id = 0; id < graph.size; id++) {
    for (let layer = 0; layer <= graph.level(id) && !hidden.has(id); layer++) {
      const list = graph.neighbours(id, layer) as number[];
      list.splice(0, list.length, ...list.filter((other) => !hidden.has(other)));
    }
  }
};

/** A search that is proved, and verified to be; what it answers, and how it is certified. */
class Asked {
  readonly claim: Omit<NearestClaim, "certificate" | "challenge">;
  readonly answers: readonly mhnsw.Answer[];
  readonly certify: (draw: mhnsw.Draw) => mhnsw.Certified;

  constructor(graph: mhnsw.Graph, components: Int16Array) {
    const commitment = new mhnsw.Commitment(nodeCrypto, graph);
    const query = mhnsw.makeQuery(components);
    const { answers, proof } = mhnsw.prove(nodeCrypto, graph, commitment, query, wanted);
    const asked = { root: commitment.root(), parameters, query: components, wanted };
    const verdict = verifyRetrieval({ ...asked, proof });
    if (!verdict.ok) throw new Error(`a proof does not verify: ${verdict.reason}`);
    this.claim = { asked, searched: verdict };
    this.answers = answers;
    const searched = { query, wanted, answers };
    this.certify = (draw) => mhnsw.certify(nodeCrypto, graph, commitment, searched, draw);
  }

  /** Whether what is opened is taken, by somebody who does not mind whether something is nearer. */
  isBelieved(draw: mhnsw.Draw): boolean {
    const { certificate } = this.certify(draw);
    return verifyNearest({ ...this.claim, challenge: draw.challenge, certificate }).ok;
  }
}

export interface Hidden {
  /** Whether the proof of the search holds all the same, and its answers are others. */
  readonly isWrong: boolean;
  readonly isBelievedExact: boolean;
  /** Draws by as many challenges, and by how many of them the lie was not found. */
  readonly draws: number;
  readonly missed: number;
  /** Of the honest index: how many were refused. */
  readonly refused: number;
}

const judge = (claim: NearestClaim): Tried => {
  try {
    const verdict = verifyNearest(claim);
    return verdict.ok
      ? { fate: "accepted", why: "it verifies" }
      : { fate: "refused", why: verdict.reason };
  } catch (error) {
    return { fate: "threw", why: String(error) };
  }
};

export class Certificates {
  readonly #random: SeededRandom;
  readonly #honest: Asked;
  readonly #lying: Asked;
  readonly #good: readonly { readonly claim: NearestClaim; readonly regions: readonly Region[] }[];

  constructor(seed: string) {
    this.#random = new SeededRandom(`${seed} nearest`);
    const vectors = Array.from({ length: nodes }, () => vectorOf(this.#random));
    const query = vectorOf(this.#random);
    const graph = build(vectors);
    // Some that do not count.
    for (let id = 0; id < nodes; id += 50) graph.bury(id);
    this.#honest = new Asked(graph, query);
    const lying = build(vectors);
    hide(lying, new Set(nearestTo(query, vectors)));
    this.#lying = new Asked(lying, query);
    const challenge = this.#challenge();
    const draws: readonly mhnsw.Draw[] = [{ how: "exact" }, { how: "sampled", challenge }];
    this.#good = draws.map((draw) => {
      const { certificate, nearer } = this.#honest.certify(draw);
      if (nearer > 0) throw new Error("the honest index is not certified");
      const claim = { ...this.#honest.claim, challenge: draw.challenge, certificate };
      return { claim, regions: certificateRegions(certificate, nodes, dimension) };
    });
  }

  #challenge(): Uint8Array {
    return this.#random.fill(new Uint8Array(32));
  }

  /** Fields of both kinds. */
  get fields(): ReadonlySet<string> {
    return new Set(this.#good.flatMap(({ regions }) => regions.map(({ field }) => field)));
  }

  hidden(draws: number): Hidden {
    const [first] = this.#honest.answers;
    let [missed, refused] = [0, 0];
    for (let i = 0; i < draws; i++) {
      const draw = { how: "sampled", challenge: this.#challenge() } as const;
      if (this.#lying.isBelieved(draw)) missed += 1;
      if (!this.#honest.isBelieved(draw)) refused += 1;
    }
    return {
      isWrong: this.#lying.answers.every(({ id }) => id !== first?.id),
      isBelievedExact: this.#lying.isBelieved({ how: "exact" }),
      draws,
      missed,
      refused,
    };
  }

  /** Changes one field, by its name; some bytes whatever they are. */
  tamper(count: number): Tally {
    const tally = new Tally();
    const random = this.#random;
    while (tally.mutations < count) {
      const { claim, regions } = random.pick(this.#good);
      const byField = Map.groupBy(regions, ({ field }) => field);
      const field = random.pick([...byField.keys()]);
      const like = byField.get(field) as readonly Region[];
      const { certificate } = claim;
      const isBytes = random.chance(1, 10);
      const { how, bytes } = isBytes
        ? changeBytes(certificate, certificate, random)
        : changeRegion(certificate, random.pick(like), like, random);
      if (Buffer.compare(bytes, certificate) === 0) {
        tally.counts.same += 1;
        continue;
      }
      tally.field(isBytes ? "nearest.bytes" : field);
      const started = performance.now();
      const tried = judge({ ...claim, certificate: bytes });
      tally.add(`${field} ${how}`, tried, performance.now() - started);
    }
    return tally;
  }
}
