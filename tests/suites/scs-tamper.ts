/**
 * `suite scs-tamper`: proofs of recall and memory files, changed in every field, by somebody who knows
 * the formats. A proof is held against what whoever asked knows: commit, file, query, parameters and the
 * answers that were given; a file against the root that its owner knows.
 *
 * - `accepted`: it passed for something that it is not; `threw`: it broke the reader;
 * - `equivalent`: it opens as it was (hints are not trusted); such mutations do not count as `mutations`,
 *   nor do those that gave the same bytes.
 *
 * Controls: without the comparison with the root, altered proofs do pass; what a builder hid who left
 * out ways passes the proof of a search, and no certificate that none is nearer.
 */
import { setImmediate } from "node:timers/promises";
import { equalBytes, SeededRandom, toHex } from "@ioi/base";
import { verifyRecall } from "@ioi/verifier";
import { chromiumMissing } from "../lib/chromium.ts";
import { changeBytes } from "./scs-tamper/bytes.ts";
import { Document, ownLogRoot } from "./scs-tamper/documents.ts";
import { TamperedFiles } from "./scs-tamper/files.ts";
import { Certificates, type Hidden } from "./scs-tamper/nearest.ts";
import { compareOnNode20, node20Missing } from "./scs-tamper/node-20.ts";
import { expectedOnPage, tryPage } from "./scs-tamper/page.ts";
import { Tally, type Tried } from "./scs-tamper/tally.ts";
import { makeWorld, type Proof, type World } from "./scs-tamper/world.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const judgeProof = (bytes: Uint8Array, { trust }: Proof): Tried => {
  try {
    const verdict = verifyRecall(bytes, trust);
    return verdict.ok
      ? { fate: "accepted", why: "it verifies" }
      : { fate: "refused", why: verdict.reason };
  } catch (error) {
    return { fate: "threw", why: String(error) };
  }
};

const tamperProofs = async (
  { proofs }: World,
  count: number,
  random: SeededRandom,
  signal: AbortSignal,
): Promise<Tally> => {
  const tally = new Tally();
  const documents = proofs.map(({ bytes }) => new Document(bytes));
  for (let round = 1; tally.mutations < count && !signal.aborted; round++) {
    // So that whoever ends the suite is heard.
    if (round % 1024 === 0) await setImmediate();
    const [at, from] = [random.below(documents.length), random.below(documents.length)];
    const [document, proof, other] = [documents[at], proofs[at], documents[from]];
    if (document === undefined || proof === undefined || other === undefined) continue;
    const { field, how, bytes } = random.chance(1, 10)
      ? { field: "bytes", ...changeBytes(document.bytes, other.bytes, random) }
      : document.change(other, random);
    if (equalBytes(bytes, document.bytes)) {
      tally.counts.same += 1;
      continue;
    }
    tally.field(field);
    const started = performance.now();
    tally.add(`${field} ${how}`, judgeProof(bytes, proof), performance.now() - started);
  }
  return tally;
};

const tamperFiles = async (
  files: TamperedFiles,
  { file }: World,
  count: number,
  random: SeededRandom,
  signal: AbortSignal,
): Promise<Tally> => {
  const tally = new Tally();
  while (tally.mutations < count && !signal.aborted) {
    const { field, how, bytes } = files.change(random);
    if (equalBytes(bytes, file)) {
      tally.counts.same += 1;
      continue;
    }
    tally.field(field);
    const started = performance.now();
    const extent = random.chance(1, 2) ? "all" : undefined;
    const tried = await files
      .judge(bytes, extent)
      .catch((error: unknown): Tried => ({ fate: "threw", why: String(error) }));
    tally.add(`${field} ${how}`, tried, performance.now() - started);
  }
  return tally;
};

/** Fields that no mutation reached. */
const missed = (fields: ReadonlySet<string>, tally: Tally): readonly string[] =>
  [...fields].filter((field) => !tally.fields.has(field));

/** The same mutations, judged by somebody who takes the root from the proof: some must pass. */
const controlPasses = ({ proofs }: World, random: SeededRandom): number => {
  let passed = 0;
  for (const { bytes } of proofs) {
    const document = new Document(bytes);
    for (let i = 0; i < 400; i++) {
      const { bytes: changed } = document.change(document, random);
      if (!equalBytes(changed, bytes) && verifiesByItself(changed)) passed += 1;
    }
  }
  return passed;
};

const verifiesByItself = (bytes: Uint8Array): boolean => {
  const logRoot = ownLogRoot(bytes);
  return logRoot !== undefined && verifyRecall(bytes, { logRoot }).ok;
};

const caseOf = (id: string, tally: Tally, unreached: readonly string[]): SuiteCase => {
  const { accepted, threw } = tally.counts;
  const isGood = accepted + threw === 0 && unreached.length === 0 && tally.mutations > 0;
  return {
    id,
    outcome: isGood ? "passed" : "failed",
    expected: "none accepted, none threw, every field reached",
    actual: `${JSON.stringify(tally.counts)}; ${tally.first ?? "none"}; not reached: ${unreached.join(" ")}`,
  };
};

/** A case, or what this machine lacks for it. */
type Part = { readonly cases: readonly SuiteCase[]; readonly unavailable: readonly string[] };

const pageCase = async ({ proofs }: World): Promise<Part> => {
  const id = "page-from-a-file";
  const [proof, exact] = proofs;
  if (exact === undefined || proof?.trust.commit === undefined) throw new Error("nothing to show");
  const { found } = await tryPage(proof.bytes, exact.bytes, toHex(proof.trust.commit));
  if (found === undefined) return { cases: [], unavailable: [chromiumMissing] };
  const [expected, actual] = [expectedOnPage.join(" · "), found.join(" · ")];
  const outcome = expected === actual ? "passed" : "failed";
  return { cases: [{ id, outcome, expected, actual }], unavailable: [] };
};

/** In the long form alone: it fetches a runtime. */
const nodeCase = async (world: World, { quick, seed }: SuiteContext): Promise<Part> => {
  if (quick) return { cases: [], unavailable: [] };
  const compared = await compareOnNode20(world, seed);
  if (compared === undefined) return { cases: [], unavailable: [node20Missing] };
  const outcome = compared.expected === compared.actual ? "passed" : "failed";
  return { cases: [{ id: "verifier-on-node-20", outcome, ...compared }], unavailable: [] };
};

/** The control is the proof of the search alone: it holds for answers that are not the nearest. */
const hiddenCase = ({ isWrong, isBelievedExact, draws, missed, refused }: Hidden): SuiteCase => ({
  id: "nearest-hidden",
  outcome: !isBelievedExact && missed * 100 <= draws && refused === 0 ? "passed" : "failed",
  expected: "refused where all is opened, and by 99 of 100 draws; the honest index never",
  actual: `exact ${isBelievedExact ? "believed" : "refused"}; ${missed} of ${draws} missed, ${refused} refused`,
  control: isWrong ? "harmed" : "harmless",
});

const run = async (context: SuiteContext) => {
  const { quick, seed, progress, signal, params } = context;
  const world = await makeWorld(`scs-tamper ${seed}`);
  const total = Number(params["mutations"] ?? (quick ? 5600 : 1_000_000));
  const ofFiles = Math.round(total / (quick ? 16 : 50));
  progress(`${total - ofFiles} proofs`);
  const random = new SeededRandom(`scs-tamper ${seed}`);
  const proofs = await tamperProofs(world, total - ofFiles, random, signal);
  progress(`${ofFiles} files`);
  const tampered = new TamperedFiles(world);
  const files = await tamperFiles(tampered, world, ofFiles, random, signal);
  const certificates = new Certificates(`scs-tamper ${seed}`);
  progress("certificates that none is nearer");
  const hidden = certificates.hidden(quick ? 20 : 1000);
  const nearest = certificates.tamper(Math.round(total / (quick ? 16 : 50)));
  const reachable = new Set(world.proofs.flatMap(({ bytes }) => [...new Document(bytes).fields]));
  const control = controlPasses(world, random);
  progress("the page in a browser");
  const page = await pageCase(world);
  const onNode20 = await nodeCase(world, context);
  const tallies = [proofs, files, nearest];
  const sum = (of: keyof Tally["counts"]): number =>
    tallies.reduce((total, { counts }) => total + counts[of], 0);
  return {
    cases: [
      {
        ...caseOf("proofs", proofs, missed(reachable, proofs)),
        control: control > 0 ? ("harmed" as const) : ("harmless" as const),
      },
      caseOf("files", files, missed(tampered.fields, files)),
      caseOf("nearest", nearest, missed(certificates.fields, nearest)),
      hiddenCase(hidden),
      ...page.cases,
      ...onNode20.cases,
    ],
    metrics: {
      mutations: sum("refused") + sum("accepted") + sum("threw"),
      accepted: sum("accepted"),
      threw: sum("threw"),
      equivalent: sum("equivalent"),
      same: sum("same"),
      fields: tallies.reduce((total, { fields }) => total + fields.size, 0),
      hiddenDraws: hidden.draws,
      hiddenMissed: hidden.missed,
      passedWithoutRoot: control,
      slowestMs: Math.round(Math.max(...tallies.map(({ slowestMs }) => slowestMs))),
    },
    unavailable: [...page.unavailable, ...onNode20.unavailable],
    goals: ["accepted", "threw"].map((metric) => ({ metric, op: "=" as const, value: 0 })),
  };
};

export const suite: Suite = {
  name: "scs-tamper",
  covers: ["scs 2", "scs 3", "scs 5 tamper"],
  summary: "proofs and memory files changed in every field: none passes for what it is not",
  run,
};
