/**
 * What actions that wait for a person would change in a file, as their drivers signed it. The card's
 * own text commits to both contents (the fact `before`, the content's digest); a preview only shows
 * the way between them, so it is in no receipt and in no signature of the person.
 *
 * Invariants: a text is shown only where the instance that prepared this very action signed it, for
 * the two contents that the action names, and where nothing in it hides. One for an ask; the first
 * answer stands, so that what a person reads does not change under their eyes.
 *
 * Bounds: `asksKeptMax` of `previewCharsMax`, in memory; gone with the process.
 */
import { equalBytes, Lru, toHex, utf8Encode } from "@ioi/base";
import { type CryptoProvider, domainBytes, domainHash, domains } from "@ioi/crypto";
import { isVisible } from "@ioi/firewall/preview";
import {
  type Action,
  type PreviewStatement,
  previewStatement,
  previewTargets,
  schema,
} from "@ioi/wire";
import type { Instance } from "./core.ts";
import { asksKeptMax, previewCharsMax, previewLinesMax, previewWaitMs } from "./limits.ts";
import { printable, rejected } from "./rejections.ts";

export interface ShownPreview {
  /** `none`: the action changes no file's content. */
  readonly state: "none" | "coming" | "there" | "missing";
  readonly text: string;
  /** Canonical `previewStatement`; its signature was verified. */
  readonly statement: Uint8Array;
  /** Why it is missing. */
  readonly why: string;
}

export interface GivenPreview {
  readonly session: string;
  readonly approval: string;
  /** Canonical `previewStatement` and its signature by the instance key. */
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly text: string;
  /** Set instead of these: a code that says why there is none. */
  readonly missing: string;
}

interface Asked {
  readonly session: { readonly id: string };
  readonly action: Action;
  readonly actionId: Uint8Array;
  readonly instanceId: Uint8Array;
  readonly nonce: Uint8Array;
}

interface Kept {
  readonly asked: Asked;
  readonly atMs: number;
  shown: ShownPreview | undefined;
}

interface Verifier {
  readonly ports: { readonly provider: CryptoProvider };
  readonly instances: ReadonlyMap<string, Instance>;
}

const nothing = new Uint8Array(0);
const none: ShownPreview = { state: "none", text: "", statement: nothing, why: "" };
const coming: ShownPreview = { ...none, state: "coming" };
const missing = (why: string): ShownPreview => ({ ...none, state: "missing", why });

const reasons: Readonly<Record<string, string>> = {
  E_PREVIEW_NONE: "it is not about the content of one file",
  E_FS_CHANGED: "the file was changed meanwhile",
  E_FS_DENIED: "the file may not be read",
};

const sameOrAbsent = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a === undefined || b === undefined ? a === b : equalBytes(a, b);

/** Digest of the content that an action writes; undefined where it writes none. */
const contentOf = ({ args }: Action): Uint8Array | undefined => {
  const content = args["content"] as { readonly sha256?: unknown } | undefined;
  return content?.sha256 instanceof Uint8Array ? content.sha256 : undefined;
};

/** What is wrong with a text that people are to judge; undefined where nothing is. */
const complaintOf = (text: string): string | undefined => {
  if (text.length > previewCharsMax) return "it is too long";
  const lines = text.split("\n");
  if (lines.length > previewLinesMax) return "it has too many lines";
  return lines.every(isVisible) ? undefined : "it holds characters that cannot be seen";
};

const complaintAbout = (
  { session, action, actionId, instanceId, nonce }: Asked,
  statement: PreviewStatement,
): string | undefined => {
  if (!equalBytes(statement.instanceId, instanceId) || !equalBytes(statement.nonce, nonce)) {
    return "it is of another preparation";
  }
  if (statement.session !== session.id) return "it is of another session";
  if (!equalBytes(statement.actionId, actionId)) return "it is of another action";
  const before = action.facts["path"]?.before;
  return sameOrAbsent(statement.before, before) && sameOrAbsent(statement.after, contentOf(action))
    ? undefined
    : "it goes between other contents";
};

export class Previews {
  readonly #kept: Lru<string, Kept> = new Lru(asksKeptMax);

  /** An action asks; its driver may show what it would change. */
  asked(approval: string, asked: Asked, atMs: number): void {
    if (!previewTargets.has(asked.action.target)) return;
    const { session, action, actionId, instanceId, nonce } = asked;
    const only = { session, action, actionId, instanceId, nonce };
    this.#kept.set(approval, { asked: only, atMs, shown: undefined });
  }

  /** Throws `E_PREVIEW_INVALID` for one that does not fit; the card says then that there is none. */
  give(core: Verifier, given: GivenPreview): void {
    const kept = this.#kept.get(given.approval);
    if (kept === undefined || kept.asked.session.id !== given.session) {
      throw rejected("E_PREVIEW_INVALID", `no ask ${printable(given.approval)} wants a preview`);
    }
    if (kept.shown !== undefined) {
      throw rejected("E_PREVIEW_INVALID", `ask ${given.approval} has its preview`);
    }
    if (given.missing !== "") {
      kept.shown = missing(reasons[given.missing] ?? "its driver could not make one");
      return;
    }
    const complaint = this.#complaint(core, kept.asked, given);
    if (complaint !== undefined) {
      kept.shown = missing("what the driver showed does not fit the action");
      throw rejected("E_PREVIEW_INVALID", complaint);
    }
    kept.shown = { state: "there", text: given.text, statement: given.statement, why: "" };
  }

  #complaint(core: Verifier, asked: Asked, given: GivenPreview): string | undefined {
    const { statement: encoded, signature, text } = given;
    const { provider } = core.ports;
    const complaint = complaintOf(text);
    if (complaint !== undefined) return complaint;
    const instance = core.instances.get(toHex(asked.instanceId));
    if (instance === undefined || instance.gone) return "its driver has ended";
    const signedBytes = domainBytes(domains.preview, encoded);
    if (!provider.verify("ed25519", instance.publicKey, signedBytes, signature)) {
      return "it is not signed by the action's driver";
    }
    const statement = schema.decode(previewStatement, encoded);
    if (!statement.ok) return statement.error.message;
    const textHash = domainHash(provider, domains.preview, utf8Encode(text));
    if (!equalBytes(statement.value.textHash, textHash)) return "the text is another one";
    return complaintAbout(asked, statement.value);
  }

  /** The person answered. */
  forget(approval: string): void {
    this.#kept.delete(approval);
  }

  of(approval: string, target: string, nowMs: number): ShownPreview {
    if (!previewTargets.has(target)) return none;
    const kept = this.#kept.get(approval);
    if (kept === undefined) return missing("it was not kept when the kernel ended");
    if (kept.shown !== undefined) return kept.shown;
    return nowMs - kept.atMs < previewWaitMs ? coming : missing("its driver did not answer");
  }
}
