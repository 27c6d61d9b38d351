/**
 * A preview as whoever shows it checks it once more: the text is the one that the driver signed for
 * this action, and nothing in it hides. The signature itself only the Guardian can verify, which
 * knows the drivers' keys.
 */
import { equalBytes, utf8Encode } from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";
import { previewStatement, schema } from "@ioi/wire";
import { isVisible } from "./visible.ts";

export { isVisible, visible } from "./visible.ts";

/** Bounded by its maker; more than this nobody shows. */
const previewShownCharsMax = 32_768;

export const previewFits = (
  provider: Pick<CryptoProvider, "sha256">,
  { text, statement }: { readonly text: string; readonly statement: Uint8Array },
  actionId: Uint8Array,
): boolean => {
  if (text.length > previewShownCharsMax || !text.split("\n").every(isVisible)) return false;
  const decoded = schema.decode(previewStatement, statement);
  return (
    decoded.ok &&
    equalBytes(decoded.value.actionId, actionId) &&
    equalBytes(decoded.value.textHash, domainHash(provider, domains.preview, utf8Encode(text)))
  );
};

/** In words for a person where there is no text; undefined where nothing is to be said. */
export const previewAbsence = ({
  state,
  why,
}: {
  readonly state: string;
  readonly why: string;
}): string | undefined => {
  if (state === "none") return undefined;
  return state === "coming" ? "is being made" : `not available: ${why}`;
};
