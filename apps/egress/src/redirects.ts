/**
 * What servers of MCP answered with a redirect on their own origin. A ticket for the message at the
 * other address is good for that very message, once, and only after the server did send it there: a
 * driver chooses no address by itself.
 *
 * Bounds: `redirectsKept` of one driver; the oldest is forgotten first.
 */
import { createHash } from "node:crypto";
import { type PermittedRequest, readRedirect } from "@ioi/firewall/net";
import type { ClientIdentity } from "./check.ts";
import { redirectsKept } from "./limits.ts";

interface Head {
  readonly status?: number;
  readonly headers?: readonly { readonly name?: string; readonly value?: string }[];
}

const parse = (reference: string, base?: string): URL | undefined =>
  URL.parse(reference, base) ?? undefined;

/** One message at one address, sent on to another. */
const keyOf = (method: string, from: string, to: string, body: Uint8Array): string =>
  [method, from, to, createHash("sha256").update(body).digest("hex")].join(" ");

export class Redirects {
  readonly #said: WeakMap<ClientIdentity, string[]> = new WeakMap();

  /** The head of the answer to a message. */
  note(client: ClientIdentity, request: PermittedRequest, body: Uint8Array, head: Head): void {
    const { method, url, from } = request;
    // Only from where the person confirmed it: a redirect of a redirect leads nowhere.
    if (from !== undefined) return;
    const locations = (head.headers ?? []).filter(({ name }) => name === "location");
    if (locations.length !== 1) return;
    const redirect = readRedirect(head.status ?? 0, locations[0]?.value, url, parse);
    if (redirect.type !== "same") return;
    const said = this.#said.get(client) ?? [];
    this.#said.set(client, said);
    said.push(keyOf(method, url.text, redirect.url.text, body));
    if (said.length > redirectsKept) said.shift();
  }

  /** Whether the server sent this very message there; once. */
  take(client: ClientIdentity, { method, url, from }: PermittedRequest, body: Uint8Array): boolean {
    const said = this.#said.get(client) ?? [];
    const at = said.indexOf(keyOf(method, from?.text ?? "", url.text, body));
    if (at < 0) return false;
    said.splice(at, 1);
    return true;
  }
}
