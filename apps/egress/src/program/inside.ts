/**
 * A program's connection to a host that its ticket opens: the TLS of the program ends here, under a
 * certificate that it alone believes. HTTP/1.1 only, and only for the host that was asked for.
 *
 * Invariants: nothing goes to a server before a request inside was read and judged; what is no TLS, or
 * asks for another host, is not opened. Bounds: `helloBytesMax`, `interceptMs`.
 */
import type { Socket } from "node:net";
import tls from "node:tls";
import { err, ok, type Result } from "@ioi/base";
import type { ProgramAuthority } from "@ioi/host/crypto";
import { type TunnelWish, tunnelTo } from "./head.ts";
import { readClientHello } from "./hello.ts";
import type { Inlet } from "./inlet.ts";

/** The first message, whole; nothing of it is taken. */
const helloOf = async (
  inlet: Inlet,
  { host }: TunnelWish,
  addressed: boolean,
): Promise<Result<null, string>> => {
  const read = await inlet.read((bytes): Result<null | undefined, string> => {
    if (bytes.length === 0) return ok(undefined);
    const hello = readClientHello(bytes);
    switch (hello.type) {
      case "more":
        return ok(undefined);
      case "none":
        if (bytes[0] !== 22) return err("it speaks no TLS");
        // Who asks for an address names none.
        return addressed ? ok(null) : err("TLS names no host");
      case "malformed":
        return err("the first message of TLS is malformed");
      case "name":
        return tunnelTo(hello.name, 1)?.host === host
          ? ok(null)
          : err("TLS asks for another host than the connection's");
    }
  });
  return "type" in read ? err("it left, or was too slow") : read;
};

const handshake = (socket: tls.TLSSocket, signal: AbortSignal): Promise<Result<null, string>> =>
  new Promise((resolve) => {
    const settle = (result: Result<null, string>): void => {
      signal.removeEventListener("abort", late);
      resolve(result);
    };
    const late = (): void => settle(err("its handshake took too long"));
    socket.once("secure", () => settle(ok(null)));
    socket.on("error", (error: Error & { readonly code?: string }) => {
      settle(err(`it does not believe this sandbox's certificate: ${error.code ?? "TLS failed"}`));
    });
    socket.once("close", () => settle(err("it left during the handshake")));
    signal.addEventListener("abort", late, { once: true });
    if (signal.aborted) late();
  });

/** The connection as the program means it; or why there is none. */
export const openInside = async (
  program: Socket,
  inlet: Inlet,
  wish: TunnelWish,
  authority: ProgramAuthority,
  signal: AbortSignal,
): Promise<Result<tls.TLSSocket, string>> => {
  const credentials = authority.credentialsFor(wish.host);
  if (credentials === undefined) return err("there is no certificate for this host");
  const addressed = /^[0-9.]+$|:/.test(wish.host);
  const hello = await helloOf(inlet, wish, addressed);
  if (!hello.ok) return hello;
  program.unshift(inlet.rest());
  const socket = new tls.TLSSocket(program, {
    isServer: true,
    secureContext: tls.createSecureContext({
      cert: credentials.certificate,
      key: credentials.privateKey,
      minVersion: "TLSv1.2",
    }),
    ALPNProtocols: ["http/1.1"],
  });
  const shaken = await handshake(socket, signal);
  if (shaken.ok) return ok(socket);
  socket.destroy();
  return shaken;
};
