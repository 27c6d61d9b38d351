/**
 * What a driver found, as text for a person: file contents as they are, listings and matches a line
 * each, a program's output as it came. Bounds: the driver's own, then those of the session.
 */
import { clip, reasonCharsMax, type SessionInput, undoPathsMax } from "@ioi/agent";
import { concatBytes, OperationError, utf8Encode } from "@ioi/base";
import {
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  type Outcome,
  outcome as outcomeSchema,
  schema,
} from "@ioi/wire";
import type { ActEnd } from "./ends.ts";
import { recalledText } from "./recalled.ts";

const recallTarget = "memory::recall";

type CanonicalMap = { readonly [name: string]: CanonicalValue };

const malformed = (what: string): OperationError =>
  new OperationError("E_DRIVER_MALFORMED", `a driver's ${what} does not decode`);

const isMap = (value: CanonicalValue | undefined): value is CanonicalMap =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

const mapsOf = (value: CanonicalValue | undefined): readonly CanonicalMap[] =>
  Array.isArray(value) ? (value as readonly CanonicalValue[]).filter(isMap) : [];

/** One line of text from a name that may hold anything. */
const oneLine = (value: CanonicalValue | undefined): string => {
  if (typeof value === "string") return value.replaceAll(/[\n\r]/g, "\uFFFD");
  return typeof value === "object" || value === undefined ? "" : String(value);
};

const listing = (result: CanonicalMap): string => {
  const lines = mapsOf(result["entries"]).map(
    (entry) => `${oneLine(entry["name"])}${entry["kind"] === "directory" ? "/" : ""}\n`,
  );
  return lines.join("") + (result["more"] === true ? "…\n" : "");
};

const matches = (result: CanonicalMap): string => {
  const lines = mapsOf(result["matches"]).map((match) => {
    const path = oneLine(match["path"]);
    return match["line"] === undefined
      ? `${path}\n`
      : `${path}:${oneLine(match["line"])}: ${oneLine(match["text"])}\n`;
  });
  return lines.join("") + (result["more"] === true ? "…\n" : "");
};

const description = (result: CanonicalMap): string =>
  Object.entries(result)
    .map(([name, value]) => `${name}: ${oneLine(value)}\n`)
    .join("");

/** What the result says, as bytes; undefined where it says nothing beyond the outcome. */
export const contentOf = (
  target: string,
  result: CanonicalMap,
  output: readonly Uint8Array[],
): Uint8Array | undefined => {
  switch (target) {
    case "fs::read":
    case "mcp::call":
    case "memory::forget":
    case "memory::remember":
    case "memory::share":
    case "model::embed":
    case "model::infer":
    case "net::get":
    case "net::post":
      return result["content"] instanceof Uint8Array ? result["content"] : undefined;
    case "fs::list":
      return utf8Encode(listing(result));
    case "fs::search":
      return utf8Encode(matches(result));
    case "fs::stat":
      return utf8Encode(description(result));
    case "sys::exec":
      return concatBytes(...output);
    case "sys::shell": {
      const text = result["text"];
      return typeof text === "string" ? utf8Encode(text) : undefined;
    }
    default:
      return undefined;
  }
};

/** Every path that changed; none where the driver did not name all: an undo names all or none. */
const changedOf = (result: CanonicalMap, changes: string | undefined): readonly string[] => {
  const changed = result["changed"];
  if (!Array.isArray(changed)) return [];
  const paths = (changed as readonly CanonicalValue[]).flatMap((each) => {
    const path = isMap(each) ? each["path"] : each;
    return typeof path === "string" ? [path] : [];
  });
  const all = changes === undefined || changes === String(paths.length);
  return all && paths.length <= undoPathsMax ? paths : [];
};

export interface ReadEnd {
  readonly input: Omit<
    Extract<SessionInput, { readonly type: "outcome" }>,
    "call" | "content" | "handle"
  >;
  readonly content: Uint8Array | undefined;
  /** Where values of a tool's answer come from: for the Guardian, beside the outcome. */
  readonly origins?: Uint8Array;
  /** What shows an answer of recall; kept beside it. */
  readonly proof?: Uint8Array;
  /** A program's requests, as a canonical list: for the Guardian, beside the outcome. */
  readonly requests?: Uint8Array;
}

interface Found {
  readonly content: Uint8Array | undefined;
  readonly input?: { readonly code: string; readonly message: string };
  readonly proof?: Uint8Array;
}

/** An answer without a proof that holds is no answer. */
const recalledOf = (evidence: Outcome["evidence"], result: CanonicalMap): Found => {
  const proof = result["proof"] instanceof Uint8Array ? result["proof"] : undefined;
  const kept = proof === undefined ? {} : { proof };
  const text = recalledText(evidence, proof);
  if (text.ok) return { content: text.value, ...kept };
  const message = clip(`what was recalled is not shown: ${text.error}`, reasonCharsMax);
  return { content: undefined, input: { code: "E_MEMORY_PROOF", message }, ...kept };
};

/** The end of an act as the session's input, its content apart. */
export const readActEnd = (target: string, end: ActEnd): ReadEnd => {
  const decoded = schema.decode(outcomeSchema, end.outcome);
  if (!decoded.ok) throw malformed("outcome");
  const outcome: Outcome = decoded.value;
  const result = decodeCanonical(end.result);
  if (!result.ok || !isMap(result.value)) throw malformed("result");
  const succeeded = outcome.status === "confirmed" || outcome.status === "partial";
  const { origins, network } = result.value;
  const recalled =
    succeeded && target === recallTarget ? recalledOf(outcome.evidence, result.value) : undefined;
  const found = succeeded ? contentOf(target, result.value, end.output) : undefined;
  return {
    input: {
      type: "outcome",
      counter: outcome.counter,
      status: outcome.status,
      ...(outcome.code === undefined ? {} : { code: outcome.code }),
      ...(end.message === "" ? {} : { message: clip(end.message, reasonCharsMax) }),
      ...recalled?.input,
      bytes: outcome.bytes,
      resultHash: outcome.resultHash,
      reversible: outcome.reversible,
      evidence: outcome.evidence,
      changed: changedOf(result.value, outcome.evidence["filesChanged"]),
      outcome: end.outcome,
      outcomeSignature: end.outcomeSignature,
    },
    content: recalled === undefined ? found : recalled.content,
    ...(recalled?.proof === undefined ? {} : { proof: recalled.proof }),
    ...(origins instanceof Uint8Array ? { origins } : {}),
    ...(Array.isArray(network) ? { requests: encodeCanonical(network) } : {}),
  };
};
