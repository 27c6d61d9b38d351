/**
 * What actions that wait for a person would change in a file, as their drivers signed it. The card's
 * own text commits to both contents (the fact `before`, the content's digest); a preview only shows
 * the way between them, so it is in no receipt and in no signature of the person.
 *
 * Invariants: a text is shown only where a files driver of the session that prepared this very action
 * signed it, for the two contents that the action names, and where nothing in it hides. One for an
 * ask: what is there stands, so that what a person reads does not change under their eyes.
 *
 * Bounds: `asksKeptMax` of `previewCharsMax`, in memory; gone with the process.
 */
import { equalBytes, Lru, toHex, utf8Encode } from "@ioi/base";
import { type CryptoProvider, domainBytes, domainHash, domains } from "@ioi/crypto";
import { isVisible } from "@ioi/firewall/preview";
import {
  type Action,
  action as actionSchema,
  previewStatement,
  previewTargets,
  schema,
} from "@ioi/wire";
import type { Instance } from "./core.ts";
import type { Ask, Ledger } from "./ledger.ts";
import { asksKeptMax, previewCharsMax, previewLinesMax, previewWaitMs } from "./limits.ts";
import { printable, rejected } from "./rejections.ts";
import type { SealedContent } from "./sealing.ts";

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

interface Verifier {
  readonly ports: { readonly provider: CryptoProvider };
  readonly instances: ReadonlyMap<string, Instance>;
  readonly ledger: Pick<Ledger, "asks">;
  open(session: string, content: SealedContent): Uint8Array | undefined;
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

/** The action of an ask, as its receipt seals it. */
const actionOf = (core: Verifier, ask: Ask): Action | undefined => {
  const plain = core.open(ask.session, ask.intent.action);
  const action = plain === undefined ? undefined : schema.decode(actionSchema, plain);
  return action?.ok === true ? action.value : undefined;
};

const complaintAbout = (
  core: Verifier,
  ask: Ask,
  { statement: encoded, signature, text }: GivenPreview,
): string | undefined => {
  const { provider } = core.ports;
  const hidden = complaintOf(text);
  if (hidden !== undefined) return hidden;
  const decoded = schema.decode(previewStatement, encoded);
  if (!decoded.ok) return decoded.error.message;
  const statement = decoded.value;
  const instance = core.instances.get(toHex(statement.instanceId));
  if (instance === undefined || instance.gone || instance.kind !== "files") {
    return "no driver that runs made it";
  }
  if (instance.session !== ask.session || statement.session !== ask.session) {
    return "it is of another session";
  }
  const signedBytes = domainBytes(domains.preview, encoded);
  if (!provider.verify("ed25519", instance.publicKey, signedBytes, signature)) {
    return "it is not signed by its driver";
  }
  const textHash = domainHash(provider, domains.preview, utf8Encode(text));
  if (!equalBytes(statement.textHash, textHash)) return "the text is another one";
  if (!equalBytes(statement.actionId, ask.actionId)) return "it is of another action";
  const action = actionOf(core, ask);
  return action !== undefined &&
    sameOrAbsent(statement.before, action.facts["path"]?.before) &&
    sameOrAbsent(statement.after, contentOf(action))
    ? undefined
    : "it goes between other contents";
};

export class Previews {
  readonly #shown: Lru<string, ShownPreview> = new Lru(asksKeptMax);

  /**
   * Throws `E_PREVIEW_INVALID` for one that does not fit; the card says then that there is none. What
   * is there stays; what was missing may come later, when somebody looks.
   */
  give(core: Verifier, given: GivenPreview): void {
    const { approval } = given;
    const ask = core.ledger.asks.get(approval);
    if (ask === undefined || ask.session !== given.session || !previewTargets.has(ask.target)) {
      throw rejected("E_PREVIEW_INVALID", `no ask ${printable(approval)} wants a preview`);
    }
    if (this.#shown.get(approval)?.state === "there") {
      throw rejected("E_PREVIEW_INVALID", `ask ${approval} has its preview`);
    }
    if (given.missing !== "") {
      this.#shown.set(approval, missing(reasons[given.missing] ?? "its driver could not make one"));
      return;
    }
    const complaint = complaintAbout(core, ask, given);
    if (complaint !== undefined) {
      this.#shown.set(approval, missing("what the driver showed does not fit the action"));
      throw rejected("E_PREVIEW_INVALID", complaint);
    }
    const { text, statement } = given;
    this.#shown.set(approval, { state: "there", text, statement, why: "" });
  }

  /** The person answered. */
  forget(approval: string): void {
    this.#shown.delete(approval);
  }

  of({ approval, target, atMs }: Ask, nowMs: number): ShownPreview {
    if (!previewTargets.has(target)) return none;
    const shown = this.#shown.get(approval);
    if (shown !== undefined) return shown;
    return nowMs - atMs < previewWaitMs ? coming : missing("its driver showed nothing");
  }
}
