/**
 * The scope of a task: what one card at its beginning granted. Made from the person's words and
 * picks without a model; the person's device signs `scopeStatement`, which holds the scope itself
 * and the hash of the card's text, so that what was seen is what is granted.
 */
import { type Infer, array, bytes, int, oneOf, optional, record, text } from "../schema.ts";

/** What a folder is given for: to look, to arrange what is in it, or to change contents as well. */
export const scopeAccess = oneOf("read", "organise", "write");
export type ScopeAccess = Infer<typeof scopeAccess>;

export const scopeGroup = oneOf(
  "read",
  "organise",
  "send",
  "buy",
  "schedule",
  "delete",
  "browse",
  "run",
);
export type ScopeGroup = Infer<typeof scopeGroup>;

export const scopeFolder = record({
  /** Absolute, normal. */
  path: text(4096),
  access: scopeAccess,
  /** The words that named it, as the person wrote them; empty: picked. */
  words: text(200),
});
export type ScopeFolder = Infer<typeof scopeFolder>;

export const scope = record({
  version: int(1, 1),
  session: text(64),
  folders: array(scopeFolder, 16),
  /** Hosts, lower case, as in `example.com`. */
  sites: array(text(253), 32),
  /** Files in these folders that the person picked, absolute; absent: none. */
  files: optional(array(text(4096), 32)),
  /** Addresses of people that the person picked: mail, telephone, account; absent: none. */
  persons: optional(array(text(320), 32)),
  groups: array(scopeGroup, 8),
  /** Name of the model; empty: none. */
  model: text(200),
  /** Millionths of a dollar. */
  microusdMax: int(),
  wallMinutesMax: int(),
  actionsMax: int(),
  undoDays: int(),
});
export type Scope = Infer<typeof scope>;

/** What a device signs to begin a task. Domain `ioi/device/scope/v1`. */
export const scopeStatement = record({
  version: int(1, 1),
  scope,
  /** SHA-256 of the card's text, under the domain of cards. */
  cardHash: bytes(32),
  policyHash: bytes(32),
});
export type ScopeStatement = Infer<typeof scopeStatement>;
