/**
 * Whom a program believes whose connections to some hosts are opened: the machine's authorities, and
 * one more that egress made for this program. It is shown read-only over the machine's bundle, and named
 * by every variable that common clients read; nothing outside of the sandbox sees it.
 */
import fs from "node:fs";
import path from "node:path";
import tls from "node:tls";
import type { SandboxBind } from "@ioi/host/sandbox";
import { type Obligation, schema, signed, ticket as ticketSchema } from "@ioi/wire";
import { trustBytesMax } from "../limits.ts";

export interface ProgramTrust {
  readonly binds: readonly SandboxBind[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Where the machine's bundles stand, by distribution. */
const bundles: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/ca-bundle.pem",
];
/** The same for clients that are told. */
const shownAt = "/etc/ioi-trust.pem";

const names: readonly string[] = [
  "SSL_CERT_FILE",
  "CURL_CA_BUNDLE",
  "REQUESTS_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "NODE_EXTRA_CA_CERTS",
  "PIP_CERT",
  "CARGO_HTTP_CAINFO",
  "AWS_CA_BUNDLE",
];

const flowIn = (
  envelope: Uint8Array,
): Extract<Obligation, { readonly type: "flow" }> | undefined => {
  const opened = schema.decode(signed, envelope);
  const ticket = opened.ok ? schema.decode(ticketSchema, opened.value.payload) : opened;
  const flow = ticket.ok ? ticket.value.obligations.find(({ type }) => type === "flow") : undefined;
  return flow?.type === "flow" ? flow : undefined;
};

/** The ticket's flow names hosts whose connections egress opens. */
export const opensConnections = (envelope: Uint8Array): boolean =>
  (flowIn(envelope)?.hosts ?? []).some(({ intercept }) => intercept !== undefined);

const readBundle = (file: string): string | undefined => {
  try {
    const { size } = fs.statSync(file);
    return size > trustBytesMax ? undefined : fs.readFileSync(file, "latin1");
  } catch {
    return undefined;
  }
};

const isFile = (file: string): boolean =>
  fs.lstatSync(file, { throwIfNoEntry: false })?.isFile() === true;

/** `folder`: the act's own; what is written there ends with the act. */
export const programTrust = (folder: string, certificate: string): ProgramTrust => {
  const found = bundles.filter(isFile);
  const known = found.map(readBundle).find((text) => text !== undefined);
  const file = path.join(folder, "trust.pem");
  const all = known ?? tls.rootCertificates.join("\n");
  fs.writeFileSync(file, `${all}\n${certificate}`, { mode: 0o444, flag: "wx" });
  return {
    binds: [...found, shownAt].map((each) => ({ path: each, access: "read", from: file }) as const),
    environment: Object.fromEntries(names.map((name) => [name, shownAt])),
  };
};
