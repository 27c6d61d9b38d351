/** A change of the policy's text, as a device signs it. */
import { type Infer, bytes, int, record } from "../schema.ts";

/** What a device signs to put another text in force. Domain `ioi/device/policy/v1`. */
export const policyStatement = record({
  version: int(1, 1),
  /** SHA-256 of the text in force and of the text that takes its place, as `policyText`. */
  before: bytes(32),
  after: bytes(32),
  /** SHA-256 of the card's text, under the domain of cards: what it newly allows was seen. */
  cardHash: bytes(32),
});
export type PolicyStatement = Infer<typeof policyStatement>;
