/**
 * What an action on memories found, for a person and for an agent. An answer of recall is written from
 * its proof and from nothing else, so that what is shown is what was proved: in this process, which
 * never had the file's key, against the roots that the driver signed for.
 */
import { err, fromHex, ok, type Result, toHex, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { type ProvedAnswer, type RecallVerdict, verifyRecall } from "@ioi/verifier";
import { memoryShownCharsMax } from "./limits.ts";

type Evidence = Readonly<Record<string, string>>;

/** What is not the person's own is content, for life. */
const originText = ({ kind, from }: ProvedAnswer["content"]["origin"]): string =>
  kind === "user" ? "typed by the person" : `${kind} of ${from}`;

/** What was verified has no time beyond the calendar's end. */
const whenText = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;

const clipped = (text: string): string =>
  text.length <= memoryShownCharsMax
    ? text
    : `${text.slice(0, memoryShownCharsMax).toWellFormed()}... (${text.length} characters in all)`;

const answerText = ({ memory, content }: ProvedAnswer, at: number): string =>
  `${at + 1}. memory ${memory} (${originText(content.origin)}, ${whenText(content.atMs)}):\n` +
  `   ${clipped(content.text).replaceAll("\n", "\n   ")}\n`;

const proofText = ({ commit, shown, notShown }: RecallVerdict & { readonly ok: true }): string =>
  [
    `Proof verified, log root ${toHex(commit.logRoot).slice(0, 16)}, commit ${commit.number}.`,
    `Shown: ${shown.join("; ")}.`,
    `Not shown: ${notShown.join("; ")}.`,
  ].join("\n");

/** What was looked with, where a model was chosen for that; its driver signed for it. */
const foundBy = ({ found_by: by, no_vectors: why, without_vectors: without }: Evidence): string => {
  if (by === undefined) return "";
  const waiting = without === undefined ? "" : ` ${without} memories wait for their vectors.`;
  return `Found by ${by}${why === undefined ? "" : ` (no vectors: ${why})`}.${waiting}\n`;
};

/** Its driver found no file: there is nothing that a proof could lead to. */
const isNoFile = ({ answers, store, log_root: root }: Evidence): boolean =>
  answers === "0" && store === undefined && root === undefined;

/** What recall says; an error where its proof does not hold. */
export const recalledText = (
  evidence: Evidence,
  proof: Uint8Array | undefined,
): Result<Uint8Array, string> => {
  if (proof === undefined) {
    return isNoFile(evidence)
      ? ok(utf8Encode("Nothing was ever remembered here.\n"))
      : err("it came without a proof");
  }
  if (toHex(nodeCrypto.sha256(proof)) !== evidence["proof"]) {
    return err("it is not the proof that was signed for");
  }
  const logRoot = fromHex(evidence["log_root"] ?? "");
  if (logRoot?.length !== 32) return err("its driver signed for no root");
  const index = evidence["index_root"];
  const indexRoot = index === undefined ? undefined : fromHex(index);
  const memories = /^\d+(?:,\d+)*$/.test(evidence["memories"] ?? "")
    ? (evidence["memories"] ?? "").split(",").map(Number)
    : undefined;
  // A plain array: of what came over a socket a slice is no copy.
  const verdict = verifyRecall(new Uint8Array(proof), {
    logRoot,
    ...(memories === undefined ? {} : { memories }),
    ...(indexRoot === undefined ? {} : { indexRoot }),
  });
  if (!verdict.ok) return err(verdict.reason);
  const answers = verdict.answers.map(answerText).join("");
  const found = answers === "" ? "Nothing that was remembered fits.\n" : answers;
  return ok(utf8Encode(`${found}${foundBy(evidence)}${proofText(verdict)}\n`));
};
