/**
 * `suite light-client`: proofs of blocks over five epochs, each with another set of validators and
 * ML-DSA-44, verified from the hash of the start alone; and none of them changed in any field.
 *
 * Control: the proof as it was made is accepted in the same call.
 */
import fs from "node:fs";
import path from "node:path";
import { equalBytes, InvariantError, SeededRandom, toHex } from "@ioi/base";
import { verifyBlockProof } from "@ioi/consensus";
import { nodeCrypto } from "@ioi/host/crypto";
import { type BlockProof, blockProof, schema } from "@ioi/wire";
import { ioi, Scratch } from "../lib/kernel.ts";
import { type Chain, emptyCert, makeChain } from "./light-client/epochs.ts";
import { type Mutation, mutations } from "./light-client/mutations.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const epochs = 5;

const accepts = (bytes: Uint8Array, start: Uint8Array): boolean =>
  verifyBlockProof(nodeCrypto, bytes, start).ok;

interface Tally {
  readonly fields: Set<string>;
  readonly survivors: string[];
  rejected: number;
}

const judge = (tally: Tally, chain: Chain, original: Uint8Array, mutation: Mutation): void => {
  // The encoder writes what a schema does not allow; then the decoder's rules are what rejects it.
  const bytes = schema.encode(blockProof, mutation.value as BlockProof);
  if (equalBytes(bytes, original)) return;
  tally.fields.add(mutation.field);
  if (accepts(bytes, chain.startHash)) {
    tally.survivors.push(`${mutation.field} ${mutation.how}`);
  } else tally.rejected += 1;
};

/** Every field of the last proof, which passes all epochs, and every byte of a stretch of each. */
const attack = (context: SuiteContext, chain: Chain, tally: Tally): void => {
  const random = new SeededRandom(`fields ${context.seed}`);
  const last = chain.proofs.at(-1);
  if (last === undefined) throw new InvariantError("no proof");
  const original = schema.encode(blockProof, last);
  let number = 0;
  for (const mutation of mutations(last, random)) {
    context.signal.throwIfAborted();
    number += 1;
    // A start or a set is one hash: the quick form tries few of its many fields.
    if (context.quick && number % 10 !== 0 && !mutation.field.startsWith("commit")) continue;
    judge(tally, chain, original, mutation);
  }
  for (const proof of chain.proofs) {
    const bytes = schema.encode(blockProof, proof);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    if (accepts(bytes, chain.startHash)) tally.survivors.push(`byte ${at}`);
    else tally.rejected += 1;
  }
  judge(tally, chain, original, { field: "commit.blockQc", how: "none", value: emptyCert(last) });
};

/** The command on files, the good one and a changed one. */
const commandCases = async (context: SuiteContext, chain: Chain): Promise<readonly SuiteCase[]> => {
  using scratch = new Scratch();
  const dir = context.outDir ?? scratch.folder("proofs");
  const proof = chain.proofs.at(-1);
  if (proof === undefined) throw new InvariantError("no proof");
  const bytes = schema.encode(blockProof, proof);
  const [good, changed] = [path.join(dir, "block.proof"), path.join(dir, "changed.proof")];
  fs.writeFileSync(good, bytes);
  const start = toHex(chain.startHash);
  const other = Uint8Array.from(bytes);
  other[bytes.length - 100] = (other[bytes.length - 100] ?? 0) ^ 1;
  fs.writeFileSync(changed, other);
  const runs: readonly (readonly [string, readonly string[], number])[] = [
    ["command-good", [good, "--start", start], 0],
    ["command-changed", [changed, "--start", start], 6],
    ["command-other-start", [good, "--start", "00".repeat(32)], 6],
    ["command-cut", [path.join(dir, "cut.proof"), "--start", start], 6],
    ["command-no-hash", [good, "--start", "beef"], 2],
  ];
  fs.writeFileSync(path.join(dir, "cut.proof"), bytes.subarray(0, bytes.length / 2));
  const cases: SuiteCase[] = [];
  for (const [id, args, exit] of runs) {
    const { code, stdout } = await ioi(["verify", "block", ...args, "--json"]);
    const isRight = code === exit && (exit !== 0 || stdout.includes('"grade":"F2(1)"'));
    cases.push({
      id,
      outcome: isRight ? "passed" : "failed",
      expected: `exit ${exit}`,
      actual: `exit ${code}: ${stdout.slice(0, 300)}`,
    });
  }
  return cases;
};

export const suite: Suite = {
  name: "light-client",
  covers: ["consensus 7"],
  summary: "1,000 certificates over five epochs are accepted, and every change of a field is not",
  async run(context) {
    const certificates = context.quick ? 50 : 1000;
    const chain = makeChain(epochs, certificates / epochs);
    const refused = chain.proofs.filter(
      (proof) => !accepts(schema.encode(blockProof, proof), chain.startHash),
    ).length;
    const tally: Tally = { fields: new Set(), survivors: [], rejected: 0 };
    attack(context, chain, tally);
    const cases: SuiteCase[] = [
      {
        id: "accepted",
        outcome: refused === 0 ? "passed" : "failed",
        expected: `all of ${chain.proofs.length}`,
        actual: `${refused} refused`,
      },
      {
        id: "changed",
        outcome: tally.survivors.length === 0 ? "passed" : "failed",
        expected: "every change is rejected",
        actual: tally.survivors.slice(0, 20).join(", "),
      },
      ...(await commandCases(context, chain)),
    ];
    return {
      cases,
      metrics: {
        certificates: chain.proofs.length - refused,
        epochs,
        fields: tally.fields.size,
        mutationsRejected: tally.rejected,
        mutationsAccepted: tally.survivors.length,
      },
      goals: [
        { metric: "certificates", op: ">=", value: certificates },
        { metric: "mutationsAccepted", op: "=", value: 0 },
        { metric: "fields", op: ">=", value: 100 },
      ],
    };
  },
};
