/** The calls of the approval page: Connect, unary, JSON. */
import { type Bytes, fromBase64, toBase64 } from "./bytes.ts";

export interface Card {
  readonly kind: string;
  readonly id: string;
  readonly session: string;
  readonly text: string;
  readonly textHash: Bytes;
  readonly target: string;
  readonly reasons: readonly string[];
  readonly once: Bytes;
  readonly forSession: Bytes;
  /** For what is like it, as the text says. */
  readonly forAlike: Bytes;
  readonly deny: Bytes;
  readonly expiresMs: number;
  readonly group: readonly string[];
  /** What it would change in a file: none | coming | there | missing. */
  readonly previewState: string;
  /** The driver's text where it is there, else why it is not. */
  readonly preview: string;
}

export type KeyState = "none" | "waiting" | "paired";

export interface Listed {
  readonly cards: readonly Card[];
  readonly more: number;
  readonly device: KeyState;
  /** What follows a command at the terminal, for this data folder. */
  readonly dataOption: string;
}

/** What a call failed with, in words for a person. */
export class Failure extends Error {
  readonly signedOut: boolean;
  constructor(message: string, signedOut: boolean) {
    super(message);
    this.signedOut = signedOut;
  }
}

type Json = Readonly<Record<string, unknown>>;

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const nextOf = (header: string | null): string => {
  try {
    return header === null ? "" : ` Next: ${decodeURIComponent(header)}`;
  } catch {
    return "";
  }
};

const call = async (method: string, request: Json): Promise<Json> => {
  let response: Response;
  try {
    response = await fetch(`/ioi.console.v1.Cards/${method}`, {
      method: "POST",
      headers: { "content-type": "application/json", "connect-protocol-version": "1" },
      body: JSON.stringify(request),
    });
  } catch {
    throw new Failure("The console does not answer. It starts again by itself.", false);
  }
  if (response.status === 401) {
    throw new Failure("This browser is signed out. Type ./ioi open in a terminal.", true);
  }
  const body: unknown = await response.json().catch(() => null);
  const fields = typeof body === "object" && body !== null ? (body as Json) : {};
  if (response.ok) return fields;
  const message = text(fields["message"]) || `the call failed with ${response.status}`;
  throw new Failure(`${message}.${nextOf(response.headers.get("ioi-next"))}`, false);
};

const cardOf = (value: unknown): Card => {
  const card = value as Json;
  const bytes = (name: string): Bytes => fromBase64(text(card[name]));
  return {
    kind: text(card["kind"]),
    id: text(card["id"]),
    session: text(card["session"]),
    text: text(card["text"]),
    textHash: bytes("textHash"),
    target: text(card["target"]),
    reasons: list(card["reasons"]).map(text),
    once: bytes("statementOnce"),
    forSession: bytes("statementSession"),
    forAlike: bytes("statementPattern"),
    deny: bytes("statementDeny"),
    expiresMs: Number(text(card["expiresMs"])),
    group: list(card["group"]).map(text),
    previewState: text(card["previewState"]),
    preview: text(card["preview"]),
  };
};

export const listCards = async (device: Bytes): Promise<Listed> => {
  const reply = await call("ListCards", { device: toBase64(device) });
  const state = text(reply["device"]);
  return {
    cards: list(reply["cards"]).map(cardOf),
    more: Number(reply["more"] ?? 0),
    device: state === "paired" || state === "waiting" ? state : "none",
    dataOption: text(reply["dataOption"]),
  };
};

export interface Signed {
  readonly statement: Bytes;
  readonly signature: Bytes;
  readonly device: Bytes;
}

export const decide = async (card: Card, signed: Signed, reason: string): Promise<void> => {
  await call("Decide", {
    kind: card.kind,
    id: card.id,
    statement: toBase64(signed.statement),
    signature: toBase64(signed.signature),
    device: toBase64(signed.device),
    reason,
  });
};

export interface Offer {
  readonly kind: "webcrypto" | "webauthn";
  readonly name: string;
  readonly publicKey: Bytes;
  readonly credentialId: Bytes;
}

export const offerDevice = async (
  offer: Offer,
): Promise<{ readonly device: Bytes; readonly code: string; readonly expiresMs: number }> => {
  const reply = await call("OfferDevice", {
    kind: offer.kind,
    name: offer.name,
    publicKey: toBase64(offer.publicKey),
    credentialId: toBase64(offer.credentialId),
  });
  return {
    device: fromBase64(text(reply["device"])),
    code: text(reply["code"]),
    expiresMs: Number(text(reply["expiresMs"])),
  };
};
