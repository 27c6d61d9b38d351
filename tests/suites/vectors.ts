/**
 * Public test vectors against the product's own code: RFC 9162 proofs, RFC 8785 texts, roots of the
 * Jellyfish tree, and Wycheproof for AES-GCM, Ed25519, ML-DSA and ML-KEM.
 *
 * Invariants: every file below the four folders is read and judged, one that nobody judges is a
 * failed case; a Wycheproof file whose count differs from what was judged is a failed case.
 *
 * What Wycheproof holds and the product does not offer is judged by its refusal: keys and nonces of
 * AES-GCM other than 256 and 96 bits (counted in `vectorsOfOtherSizes`). Signatures over a message
 * representative (`mu`) that comes without its message do not apply: there is no such operation.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type SignatureAlgorithm, verifyConsistency, verifyInclusion } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { jellyfish, MemoryStore } from "@ioi/state";
import { jcsBytes, parseJson } from "@ioi/wire";
import type { Suite, SuiteCase, SuiteContext, SuiteResult } from "./suite.ts";

const folders = ["rfc9162", "jcs", "jmt", "wycheproof"] as const;

/** A file by its path below the vectors' folder. */
interface VectorFile {
  readonly path: string;
  readonly bytes: Buffer;
}

interface Judged {
  readonly cases: readonly SuiteCase[];
  /** Beside the first file, those that were read to judge it. */
  readonly alsoRead?: readonly string[];
  /** Vectors that were judged by the refusal of their sizes. */
  readonly otherSizes?: number;
  readonly acceptable?: number;
}

type Judge = (file: VectorFile, files: ReadonlyMap<string, VectorFile>) => Judged;

/** Integers beyond 2^53 as bigint: a size of 2^64 - 1 must not be rounded. */
const exact = (text: string): unknown =>
  JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && context?.source !== undefined
      ? BigInt(context.source)
      : value,
  );

const hex = (text: string | undefined): Uint8Array =>
  new Uint8Array(Buffer.from(text ?? "", "hex"));
const base64 = (text: string | null | undefined): Uint8Array =>
  new Uint8Array(Buffer.from(text ?? "", "base64"));

const compare = (id: string, expected: string, actual: string): SuiteCase => ({
  id,
  outcome: expected === actual ? "passed" : "failed",
  expected,
  actual,
});

const judgement = (good: boolean): string => (good ? "accepted" : "refused");

// RFC 9162

interface MerkleVector {
  readonly leafIdx?: number | bigint;
  readonly treeSize?: number | bigint;
  readonly leafHash?: string | null;
  readonly root?: string | null;
  readonly size1?: number | bigint;
  readonly size2?: number | bigint;
  readonly root1?: string | null;
  readonly root2?: string | null;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}

const judgeMerkle: Judge = (file) => {
  const vector = exact(file.bytes.toString()) as MerkleVector;
  const proof = (vector.proof ?? []).map(base64);
  const inclusion = vector.leafIdx !== undefined;
  const verdict = inclusion
    ? verifyInclusion(nodeCrypto, {
        index: vector.leafIdx ?? -1,
        size: vector.treeSize ?? -1,
        leafHash: base64(vector.leafHash),
        proof,
        root: base64(vector.root),
      })
    : verifyConsistency(nodeCrypto, {
        firstSize: vector.size1 ?? -1,
        firstRoot: base64(vector.root1),
        secondSize: vector.size2 ?? -1,
        secondRoot: base64(vector.root2),
        proof,
      });
  return { cases: [compare(file.path, judgement(!vector.wantErr), judgement(verdict.ok))] };
};

// RFC 8785

const judgeJcs: Judge = (file, files) => {
  const name = file.path.slice("jcs/input/".length);
  const outputs = [`jcs/output/${name}`, `jcs/outhex/${name.replace(/\.json$/, ".txt")}`];
  const [output, outhex] = outputs.map((path) => files.get(path));
  const parsed = parseJson(new Uint8Array(file.bytes));
  const actual = parsed.ok
    ? Buffer.from(jcsBytes(parsed.value)).toString("hex")
    : parsed.error.message;
  return {
    alsoRead: outputs.filter((path) => files.has(path)),
    cases: [
      compare(`${file.path}:output`, output?.bytes.toString("hex") ?? "no output file", actual),
      compare(
        `${file.path}:outhex`,
        outhex?.bytes.toString().replaceAll(/\s/g, "") ?? "no outhex file",
        actual,
      ),
    ],
  };
};

// Jellyfish Merkle trees

interface JellyfishVectors {
  readonly hash_function: string;
  readonly vectors: readonly {
    readonly expected_root: string;
    readonly data: readonly { readonly key: string; readonly value: string }[];
  }[];
}

const judgeJellyfish: Judge = (file) => {
  const { hash_function: name, vectors } = JSON.parse(file.bytes.toString()) as JellyfishVectors;
  const cases = vectors.map(({ expected_root: root, data }, index) => {
    const tree = jellyfish.open(new MemoryStore(), nodeCrypto);
    for (const { key, value } of data) tree.set(hex(key), hex(value));
    const actual = Buffer.from(tree.commit(0n)).toString("hex");
    return compare(`${file.path}:${index}`, root, actual);
  });
  return { cases: [compare(`${file.path}:hash`, "sha2", name), ...cases] };
};

// Wycheproof

interface Vector {
  readonly tcId: number;
  readonly result: "valid" | "invalid" | "acceptable";
  readonly flags?: readonly string[];
  readonly msg?: string;
  readonly ctx?: string;
  readonly sig?: string;
  readonly key?: string;
  readonly iv?: string;
  readonly aad?: string;
  readonly ct?: string;
  readonly tag?: string;
  readonly seed?: string;
  readonly ek?: string;
  readonly c?: string;
  readonly K?: string;
}

interface Group {
  readonly type: string;
  readonly publicKey?: string | { readonly pk: string };
  readonly privateSeed?: string;
  readonly parameterSet?: string;
  readonly tests: readonly Vector[];
}

/** What the product made of one vector, or why it has nothing to say. */
type Verdict =
  | { readonly type: "judged"; readonly accepted: boolean }
  /** Judged by the refusal of sizes that the product does not offer. */
  | { readonly type: "other-size"; readonly refused: boolean }
  | { readonly type: "inapplicable"; readonly reason: string }
  /** Neither accepted as it must be nor refused; fails whatever the vector wants. */
  | { readonly type: "wrong"; readonly what: string };

const wrong = (what: string): Verdict => ({ type: "wrong", what });
const judged = (accepted: boolean): Verdict => ({ type: "judged", accepted });

type JudgeVector = (vector: Vector, group: Group) => Verdict;

const refuses = (run: () => unknown): boolean => {
  try {
    run();
    return false;
  } catch {
    return true;
  }
};

const same = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && Buffer.compare(a, b) === 0;

const judgeGcm: JudgeVector = (vector) => {
  const [key, nonce, aad] = [hex(vector.key), hex(vector.iv), hex(vector.aad)];
  const text = hex(vector.msg);
  const sealed = Buffer.concat([hex(vector.ct), hex(vector.tag)]);
  if (key.length !== 32 || nonce.length !== 12) {
    const refused =
      refuses(() => nodeCrypto.open(key, nonce, sealed, aad)) &&
      refuses(() => nodeCrypto.seal(key, nonce, text, aad));
    return { type: "other-size", refused };
  }
  const opened = nodeCrypto.open(key, nonce, sealed, aad);
  if (opened === undefined) return judged(false);
  if (!same(opened, text)) return wrong("opened to another text");
  return same(nodeCrypto.seal(key, nonce, text, aad), sealed)
    ? judged(true)
    : wrong("sealed to other bytes");
};

const judgeSignature =
  (algorithm: SignatureAlgorithm): JudgeVector =>
  (vector, { publicKey }) => {
    const key = hex(typeof publicKey === "object" ? publicKey.pk : publicKey);
    const context = vector.ctx === undefined ? undefined : hex(vector.ctx);
    return judged(nodeCrypto.verify(algorithm, key, hex(vector.msg), hex(vector.sig), context));
  };

/**
 * Signing here is hedged (FIPS 204's default), so signatures are not compared byte by byte: the
 * vector's must verify under the key that its seed gives, and so must a new one.
 */
const judgeSigning: JudgeVector = (vector, group) => {
  const imported = nodeCrypto.importPrivate("ml-dsa-44", hex(group.privateSeed));
  if (!imported.ok) return judged(false);
  const { value: key } = imported;
  if (!same(key.publicKey, hex(group.publicKey as string))) return wrong("another public key");
  if (vector.msg === undefined) {
    return { type: "inapplicable", reason: "a message representative (mu) without its message" };
  }
  const message = hex(vector.msg);
  const context = vector.ctx === undefined ? undefined : hex(vector.ctx);
  let own: Uint8Array;
  try {
    own = nodeCrypto.sign(key, message, context);
  } catch {
    return judged(false);
  }
  const verify = (signature: Uint8Array): boolean =>
    nodeCrypto.verify("ml-dsa-44", key.publicKey, message, signature, context);
  if (!verify(own)) return wrong("the own signature does not verify");
  return judged(verify(hex(vector.sig)));
};

const judgeKem: JudgeVector = (vector, { parameterSet }) => {
  if (parameterSet !== "ML-KEM-768") return { type: "inapplicable", reason: `${parameterSet}` };
  const imported = nodeCrypto.importPrivate("ml-kem-768", hex(vector.seed));
  if (!imported.ok) return judged(false);
  const key = imported.value;
  const publicKey = hex(vector.ek);
  if (vector.ek !== undefined && !same(key.publicKey, publicKey))
    return wrong("another public key");
  const secret = nodeCrypto.decapsulate(key, hex(vector.c));
  if (secret === undefined) return judged(false);
  if (!same(secret, hex(vector.K))) return wrong("another secret");
  const sent = nodeCrypto.encapsulate(publicKey);
  const opened = sent === undefined ? undefined : nodeCrypto.decapsulate(key, sent.ciphertext);
  if (sent === undefined || !same(opened, sent.sharedSecret)) return wrong("no round trip");
  return judged(true);
};

/** By file name, with the type that its groups must have. */
const wycheproof: Readonly<Record<string, readonly [string, JudgeVector]>> = {
  "aes_gcm_test.json": ["AeadTest", judgeGcm],
  "ed25519_test.json": ["EddsaVerify", judgeSignature("ed25519")],
  "mldsa_44_verify_test.json": ["MlDsaVerify", judgeSignature("ml-dsa-44")],
  "mldsa_65_verify_test.json": ["MlDsaVerify", judgeSignature("ml-dsa-65")],
  "mldsa_44_sign_seed_test.json": ["MlDsaSign", judgeSigning],
  "mlkem_768_test.json": ["MLKEMTest", judgeKem],
};

const caseOf = (id: string, vector: Vector, verdict: Verdict): SuiteCase => {
  switch (verdict.type) {
    case "inapplicable":
      return { id, outcome: "inapplicable", reason: verdict.reason };
    case "wrong":
      return compare(id, judgement(vector.result !== "invalid"), verdict.what);
    case "other-size":
      return compare(id, "refused: another size", `${judgement(!verdict.refused)}: another size`);
    case "judged": {
      const actual = judgement(verdict.accepted);
      // Wycheproof's "acceptable" leaves the choice to the implementation.
      if (vector.result === "acceptable") return compare(id, actual, actual);
      return compare(id, judgement(vector.result === "valid"), actual);
    }
  }
};

const judgeWycheproof: Judge = (file) => {
  const known = wycheproof[file.path.slice("wycheproof/".length)];
  if (known === undefined) return { cases: [compare(file.path, "a judge", "none")] };
  const [type, judge] = known;
  const content = JSON.parse(file.bytes.toString()) as {
    readonly numberOfTests: number;
    readonly testGroups: readonly Group[];
  };
  const cases: SuiteCase[] = [];
  let otherSizes = 0;
  let acceptable = 0;
  for (const group of content.testGroups) {
    for (const vector of group.tests) {
      const id = `${file.path}:${vector.tcId}`;
      if (group.type !== type) {
        cases.push(compare(id, type, group.type));
        continue;
      }
      const verdict = judge(vector, group);
      if (verdict.type === "other-size") otherSizes++;
      if (vector.result === "acceptable") acceptable++;
      cases.push(caseOf(id, vector, verdict));
    }
  }
  const count = compare(`${file.path}:count`, `${content.numberOfTests}`, `${cases.length}`);
  return { cases: [...cases, count], otherSizes, acceptable };
};

// The suite

const judgeOf = (path: string): Judge | undefined => {
  if (path.startsWith("rfc9162/") && path.endsWith(".json")) return judgeMerkle;
  if (path.startsWith("jcs/input/")) return judgeJcs;
  if (path.startsWith("jmt/")) return judgeJellyfish;
  if (path.startsWith("wycheproof/")) return judgeWycheproof;
  return undefined;
};

const readFolder = (root: string, folder: string): VectorFile[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
    .map((path) => ({ path, bytes: readFileSync(join(root, path)) }));

/** A broken vector is a failed case, not the end of the others. */
const attempt = (
  judge: Judge,
  file: VectorFile,
  files: ReadonlyMap<string, VectorFile>,
): Judged => {
  try {
    return judge(file, files);
  } catch (error) {
    return { cases: [compare(file.path, "a judgement", `threw ${(error as Error).message}`)] };
  }
};

const run = async (context: SuiteContext): Promise<SuiteResult> => {
  const root = context.dataPath ?? context.vectors;
  if (root === undefined) {
    return { cases: [], unavailable: ["the public vectors; name their folder in IOI_VECTORS"] };
  }
  const files = new Map<string, VectorFile>();
  const unread = new Set<string>();
  const cases: SuiteCase[] = [];
  for (const folder of folders) {
    try {
      for (const file of readFolder(root, folder)) {
        files.set(file.path, file);
        unread.add(file.path);
      }
    } catch (error) {
      cases.push(compare(folder, "a folder", (error as Error).message));
    }
  }
  let vectors = 0;
  let vectorsOfOtherSizes = 0;
  let vectorsAcceptable = 0;
  for (const file of files.values()) {
    context.signal.throwIfAborted();
    const judge = judgeOf(file.path);
    if (judge === undefined) continue;
    const result = attempt(judge, file, files);
    for (const path of [file.path, ...(result.alsoRead ?? [])]) unread.delete(path);
    cases.push(...result.cases);
    vectors += result.cases.length;
    vectorsOfOtherSizes += result.otherSizes ?? 0;
    vectorsAcceptable += result.acceptable ?? 0;
  }
  for (const path of unread) cases.push(compare(path, "read", "read by nobody"));
  context.progress(`${files.size} files, ${vectors} vectors`);
  return {
    cases,
    metrics: {
      files: files.size,
      filesUnread: unread.size,
      vectors,
      vectorsOfOtherSizes,
      vectorsAcceptable,
    },
    goals: [{ metric: "filesUnread", op: "=", value: 0 }],
    data: [...files.values()].map(({ path, bytes }) => ({
      path,
      sha256: createHash("sha256").update(bytes).digest("hex"),
    })),
  };
};

export const suite: Suite = {
  name: "vectors",
  covers: ["kernel 1", "kernel 4", "firewall 3", "architecture 5"],
  summary: "RFC 9162, RFC 8785, jmt and Wycheproof vectors, every file of them",
  run,
};
