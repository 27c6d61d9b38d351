/**
 * Where the values of a tool's answer come from, as a driver signed it: kept with the session, so that
 * later decisions know what the person's own look-ups returned, and cards say where an address stood.
 *
 * Invariants: only fields that the ticket named count as trusted; what is kept is what the outcome's
 * leaf seals, so that a restart knows the same. Bounds: `trustedKeptMax`, `seenKeptMax`; the oldest
 * is forgotten, which grounds less.
 */
import { equalBytes, fromHex } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import {
  decodeOrigins,
  encodeOrigins,
  parseCanonicalUrl,
  type SeenAddress,
  type TrustedValue,
} from "@ioi/firewall";
import {
  type Action,
  action as actionSchema,
  decodeCanonical,
  encodeCanonical,
  type Leaf,
  type Outcome,
  schema,
} from "@ioi/wire";
import { originsBytesMax, seenKeptMax, trustedKeptMax } from "./limits.ts";
import { rejected } from "./rejections.ts";
import type { SealedContent } from "./sealing.ts";

/** Where values of answers come from, oldest first. */
export interface KeptOrigins {
  readonly trusted: readonly TrustedValue[];
  readonly seen: readonly SeenAddress[];
}

/** What the Guardian seals and opens with. */
interface Sealing {
  readonly ports: { readonly provider: Pick<CryptoProvider, "sha256"> };
  open(session: string, content: SealedContent): Uint8Array | undefined;
  seal(session: string, content: Uint8Array): SealedContent;
}

type IntentLeaf = Extract<Leaf, { readonly type: "intent" }>;

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

const actionOf = (core: Sealing, intent: IntentLeaf): Action | undefined => {
  const plain = core.open(intent.session, intent.action);
  const action = plain === undefined ? undefined : schema.decode(actionSchema, plain);
  return action?.ok === true ? action.value : undefined;
};

/**
 * The sealed part of an outcome's leaf; undefined where the driver committed to nothing, or nobody
 * passed it on: less is grounded then.
 */
export const sealedOrigins = (
  core: Sealing,
  intent: IntentLeaf,
  outcome: Outcome,
  origins: Uint8Array | undefined,
  fields: readonly string[],
): SealedContent | undefined => {
  const committed = outcome.evidence["origins"];
  if (origins === undefined || origins.length === 0 || committed === undefined) return undefined;
  if (origins.length > originsBytesMax) {
    throw rejected("E_OUTCOME_INVALID", `origins of ${origins.length} bytes`);
  }
  const hash = fromHex(committed);
  if (hash === undefined || !equalBytes(hash, core.ports.provider.sha256(origins))) {
    throw rejected("E_OUTCOME_INVALID", "the origins are not what the driver signed");
  }
  const decoded = decodeOrigins(origins);
  if (!decoded.ok) throw rejected("E_OUTCOME_INVALID", decoded.error);
  const action = actionOf(core, intent);
  if (action === undefined) return undefined;
  const trusted = decoded.value.trusted.filter(({ field }) => fields.includes(field));
  const url = parseCanonicalUrl(textOf(action.args["url"]));
  const called = action.target === "mcp::call";
  const content = encodeCanonical({
    server: called ? textOf(action.args["server"]) : action.target,
    tool: called ? textOf(action.args["tool"]) : url.ok ? url.value.host : "",
    origins: encodeOrigins({ ...decoded.value, trusted }),
  });
  return core.seal(intent.session, content);
};

/** What a leaf seals of it, for the fold. */
export const originsIn = (core: Sealing, leaf: Leaf): KeptOrigins | undefined => {
  if (leaf.type !== "outcome" || leaf.origins === undefined) return undefined;
  const plain = core.open(leaf.session, leaf.origins);
  const value = plain === undefined ? undefined : decodeCanonical(plain);
  if (value?.ok !== true) return undefined;
  const { server, tool, origins } = Object(value.value) as Record<string, unknown>;
  const decoded = origins instanceof Uint8Array ? decodeOrigins(origins) : undefined;
  if (decoded?.ok !== true) return undefined;
  const answer = { server: textOf(server), tool: textOf(tool), counter: leaf.counter };
  return {
    trusted: decoded.value.trusted.map((each) => ({ ...answer, ...each })),
    seen: decoded.value.seen.map((token) => ({ ...answer, token })),
  };
};

/** The newest of both, the newest last. */
export const withOrigins = (known: KeptOrigins, added: KeptOrigins): KeptOrigins => ({
  trusted: [...known.trusted, ...added.trusted].slice(-trustedKeptMax),
  seen: [...known.seen, ...added.seen].slice(-seenKeptMax),
});
