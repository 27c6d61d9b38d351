/**
 * One connection to one checked address. Over TLS the certificate must be valid for the name of the
 * URL, by the authorities of the runtime, of the configuration and of the machine; there is no way to
 * turn that off. No proxy, whatever an environment says.
 */
import net from "node:net";
import tls from "node:tls";
import { createHash } from "node:crypto";
import { InvariantError, OperationError } from "@ioi/base";
import type { CanonicalUrl } from "@ioi/firewall/net";
import { addressesTriedMax, connectMs } from "./limits.ts";
import { isUnknownIssuer, type Trust } from "./trust.ts";

export interface Connection {
  readonly socket: net.Socket;
  /** `192.0.2.1` or `2001:db8::1`, as it was dialled. */
  readonly address: string;
  /** SHA-256 of the certificate that the server showed; empty without TLS. */
  readonly certificateSha256: Uint8Array;
}

/** Nothing is ever looked up here. */
const neverLookUp = (): never => {
  throw new InvariantError("a connection looked a name up");
};

const isTlsFault = (error: unknown): boolean => {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return (
    typeof code === "string" &&
    /^ERR_TLS|^ERR_SSL|CERT|SELF_SIGNED|ISSUER|VERIFY|UNABLE_TO|ALTNAME|EPROTO/.test(code)
  );
};

const failure = (error: unknown, url: CanonicalUrl, address: string): OperationError => {
  if (error instanceof OperationError) return error;
  const why = (error as { readonly code?: string }).code ?? "it failed";
  return isTlsFault(error)
    ? new OperationError("E_EGRESS_TLS", `${url.host} (${address}): ${why}`, { cause: error })
    : new OperationError("E_EGRESS_CONNECT", `${url.host} (${address}): ${why}`, {
        cause: error,
        retryable: true,
      });
};

const open = (
  url: CanonicalUrl,
  address: string,
  context: tls.SecureContext | undefined,
): { readonly socket: net.Socket; readonly ready: "connect" | "secureConnect" } => {
  const common = { host: address, port: url.port, lookup: neverLookUp };
  if (url.scheme === "http") return { socket: net.connect(common), ready: "connect" };
  const socket = tls.connect({
    ...common,
    // An address has no name to indicate.
    servername: url.hostType === "name" ? url.host : "",
    ...(context === undefined ? {} : { secureContext: context }),
    minVersion: "TLSv1.2",
    rejectUnauthorized: true,
    ALPNProtocols: ["http/1.1"],
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(url.host, certificate),
  });
  return { socket, ready: "secureConnect" };
};

const connectTo = async (
  url: CanonicalUrl,
  address: string,
  context: tls.SecureContext | undefined,
  signal: AbortSignal,
): Promise<Connection> => {
  const { socket, ready } = open(url, address, context);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    reject(
      new OperationError("E_EGRESS_CONNECT", `${url.host} (${address}) did not answer in time`, {
        retryable: true,
      }),
    );
  }, connectMs);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  socket.once(ready, resolve);
  socket.once("error", reject);
  socket.once("close", () => reject(new Error("closed")));
  try {
    await promise;
    const raw = socket instanceof tls.TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
    return {
      socket,
      address,
      certificateSha256:
        raw === undefined ? new Uint8Array(0) : createHash("sha256").update(raw).digest(),
    };
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw failure(error, url, address);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    // Whoever uses the socket listens for its errors; one that comes between is not lost.
    socket.on("error", () => undefined);
  }
};

/** Once more, where the machine believes an authority that the others do not know. */
const connectTrusted = async (
  url: CanonicalUrl,
  address: string,
  trust: Trust,
  signal: AbortSignal,
): Promise<Connection> => {
  const { context } = trust;
  try {
    return await connectTo(url, address, context, signal);
  } catch (error) {
    const cause = error instanceof OperationError ? error.cause : undefined;
    if (!isUnknownIssuer(cause) || !(await trust.widened(context))) throw error;
    signal.throwIfAborted();
    return await connectTo(url, address, trust.context, signal);
  }
};

/** Tries the addresses in their order; a server that does not prove itself is not passed over. */
export const connectAny = async (
  url: CanonicalUrl,
  addresses: readonly string[],
  trust: Trust,
  signal: AbortSignal,
): Promise<Connection> => {
  let last: unknown;
  for (const address of addresses.slice(0, addressesTriedMax)) {
    try {
      return await connectTrusted(url, address, trust, signal);
    } catch (error) {
      if (!(error instanceof OperationError) || error.code !== "E_EGRESS_CONNECT") throw error;
      last = error;
    }
  }
  throw last;
};
