/**
 * TLS between processes of the kernel, over any byte stream: a socket pair, a TCP socket, or a
 * tunnel that a third process carries.
 *
 * TLS 1.3 only, key exchange X25519MLKEM768 only, signatures ML-DSA-65 only, both ends with a
 * certificate of this boot's authority, and the peer's certificate must carry exactly the expected
 * name. A peer that offers only classical groups fails the handshake; a client also checks what was
 * negotiated. (The platform does not tell a server; its own list of groups holds nothing else.)
 *
 * In TLS 1.3 a client is done before the server has judged it: a refusal by the server arrives as
 * an error or an end on the client's socket, before any byte of data.
 */
import { type Duplex } from "node:stream";
import { connect, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { OperationError } from "@ioi/base";
import type { Credentials } from "./certificates.ts";
import { handshakeTimeoutMs } from "./limits.ts";

export const tlsGroup = "X25519MLKEM768";
const signatureAlgorithm = "mldsa65";

export interface WrapOptions {
  readonly credentials: Credentials;
  /** The name that the other end's certificate must carry. */
  readonly peer: string;
  /** Application protocols, as in ALPN. */
  readonly alpn?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface ChannelTlsOptions extends SecureContextOptions {
  readonly minVersion: "TLSv1.3";
  readonly ecdhCurve: string;
  readonly sigalgs: string;
  readonly rejectUnauthorized: true;
  readonly requestCert: true;
  readonly ALPNProtocols?: string[];
}

const channelOptions = (
  credentials: Credentials,
  alpn: readonly string[] | undefined,
): ChannelTlsOptions => ({
  cert: credentials.certificate,
  key: credentials.privateKey,
  ca: credentials.authority,
  minVersion: "TLSv1.3",
  ecdhCurve: tlsGroup,
  sigalgs: signatureAlgorithm,
  rejectUnauthorized: true,
  requestCert: true,
  ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
});

/** For `tls.createServer` and `https`/`http2` servers that take TLS options. */
export const tlsServerOptions = (
  credentials: Credentials,
  alpn?: readonly string[],
): ChannelTlsOptions => channelOptions(credentials, alpn);

/** For `tls.connect`; the peer's name still has to be checked, as `wrapClient` does. */
export const tlsClientOptions = (
  credentials: Credentials,
  peer: string,
  alpn?: readonly string[],
): ChannelTlsOptions & { readonly servername: string } => ({
  ...channelOptions(credentials, alpn),
  servername: peer,
});

const refuse = (message: string, cause?: unknown): OperationError =>
  new OperationError("E_TLS_PEER_REFUSED", message, cause === undefined ? {} : { cause });

/** Undefined if the peer is who it must be. */
const complaintAbout = (socket: TLSSocket, peer: string): string | undefined => {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return "it shows no certificate";
  if (!socket.authorized) return `its certificate does not hold: ${socket.authorizationError}`;
  if (certificate.subject !== `CN=${peer}` || certificate.subjectAltName !== `DNS:${peer}`) {
    return `it names itself ${certificate.subject}, not ${peer}`;
  }
  if (socket.getProtocol() !== "TLSv1.3") return `it speaks ${socket.getProtocol()}`;
  return undefined;
};

/** Codes by which the platform says "that certificate will not do". */
const isRefusal = (error: unknown): boolean => {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return (
    typeof code === "string" &&
    /CERT|SELF_SIGNED|ISSUER|VERIFY|UNABLE_TO|ALTNAME|HANDSHAKE_FAILURE|SHARED_GROUP|KEY_SHARE|UNSUPPORTED_PROTOCOL|SIGNATURE_ALGORITHMS/.test(
      code,
    )
  );
};

const handshakeError = (error: unknown, peer: string): OperationError => {
  if (error instanceof OperationError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return isRefusal(error)
    ? refuse(`${peer} was refused: ${message}`, error)
    : new OperationError("E_TLS_HANDSHAKE", `no channel to ${peer}: ${message}`, { cause: error });
};

/** Runs `start` until it settles, the stream ends, time is up or the signal says so. */
const handshake = (
  duplex: Duplex,
  options: WrapOptions,
  start: (done: (socket: TLSSocket) => void, fail: (error: unknown) => void) => void,
): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const { peer, signal } = options;
    const settle = (): void => {
      clearTimeout(timer);
      duplex.off("close", closed);
      signal?.removeEventListener("abort", aborted);
    };
    const fail = (error: unknown): void => {
      settle();
      duplex.destroy();
      reject(signal?.aborted === true ? signal.reason : handshakeError(error, peer));
    };
    const done = (socket: TLSSocket): void => {
      const complaint = complaintAbout(socket, peer);
      if (complaint !== undefined) {
        socket.on("error", () => {});
        socket.destroy();
        fail(refuse(`${peer} was refused: ${complaint}`));
        return;
      }
      settle();
      resolve(socket);
    };
    // The platform says why only after it has closed the stream.
    const closed = (): unknown => setImmediate(() => fail(new Error("the other end closed")));
    const aborted = (): void => fail(signal?.reason);
    const timer = setTimeout(
      () => fail(new Error(`no handshake in ${handshakeTimeoutMs} ms`)),
      handshakeTimeoutMs,
    );
    // The stream itself keeps the process, as long as there is one.
    timer.unref();
    if (signal?.aborted === true) {
      fail(signal.reason);
      return;
    }
    signal?.addEventListener("abort", aborted, { once: true });
    duplex.once("close", closed);
    start(done, fail);
  });

/** The server's end. */
export const wrapServer = (duplex: Duplex, options: WrapOptions): Promise<TLSSocket> =>
  handshake(duplex, options, (done, fail) => {
    // A server that listens nowhere: it is what checks a client's certificate. `complaintAbout`
    // judges the outcome, since the platform would hang up without telling the reason.
    const server = createServer({
      ...tlsServerOptions(options.credentials, options.alpn),
      rejectUnauthorized: false,
    });
    server.once("secureConnection", done);
    server.once("tlsClientError", fail);
    server.emit("connection", duplex);
  });

/** The client's end. */
export const wrapClient = (duplex: Duplex, options: WrapOptions): Promise<TLSSocket> =>
  handshake(duplex, options, (done, fail) => {
    const { credentials, peer, alpn } = options;
    const socket = connect({ ...tlsClientOptions(credentials, peer, alpn), socket: duplex });
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      const group = (socket.getEphemeralKeyInfo() as { readonly name?: string } | null)?.name;
      if (group !== tlsGroup) {
        socket.destroy();
        fail(refuse(`${peer} was refused: it negotiated ${group ?? "no known group"}`));
        return;
      }
      socket.off("error", fail);
      done(socket);
    });
  });
