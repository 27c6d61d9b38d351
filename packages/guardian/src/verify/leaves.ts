/**
 * The leaves of a receipt log, checked one after the other: each decodes canonically, tickets count
 * up, and nothing speaks of an action that no earlier leaf announced.
 */
import { type Leaf, leaf as leafSchema, schema } from "@ioi/wire";

/** Checks leaves in the order of the log. One instance for one log. */
export class LeafOrder {
  #counter: bigint | undefined = undefined;
  readonly #sessionOf = new Map<bigint, string>();
  readonly #whole: boolean;

  /** `whole`: every leaf from the first one is given, so that references can be followed. */
  constructor(whole: boolean) {
    this.#whole = whole;
  }

  /** The leaf, or what is wrong with it. */
  check(bytes: Uint8Array): { readonly leaf: Leaf } | { readonly reason: string } {
    const decoded = schema.decode(leafSchema, bytes);
    if (!decoded.ok) return { reason: `the leaf does not decode: ${decoded.error.message}` };
    const reason = this.#judge(decoded.value);
    return reason === undefined ? { leaf: decoded.value } : { reason };
  }

  #judge(leaf: Leaf): string | undefined {
    if (leaf.type === "intent") {
      if (this.#counter !== undefined && leaf.counter <= this.#counter) {
        return `ticket ${leaf.counter} follows ticket ${this.#counter}`;
      }
      this.#counter = leaf.counter;
      this.#sessionOf.set(leaf.counter, leaf.session);
      return undefined;
    }
    if (leaf.type !== "outcome" || !this.#whole) return undefined;
    const session = this.#sessionOf.get(leaf.counter);
    if (session === undefined) return `an outcome of ticket ${leaf.counter}, which no intent names`;
    return session === leaf.session
      ? undefined
      : `an outcome of ticket ${leaf.counter} under another session`;
  }
}
