/**
 * Sockets as plain descriptors, to be handed to a child that may not open any itself. Sources:
 * unix(7), socketpair(2), listen(2). Every descriptor is close-on-exec; the spawn of a child
 * passes it on by naming it in `stdio`.
 */
import { chmodSync } from "node:fs";
import { OperationError } from "@ioi/base";
import { cString, nr, syscall, type SyscallResult } from "./ffi.ts";

const AF_UNIX = 1;
const AF_INET = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const EACCES = 13;
const EADDRINUSE = 98;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
/** Bytes of sun_path, the closing NUL among them. */
const unixPathBytesMax = 108;
const backlog = 128;

const need = (answer: SyscallResult, what: string): bigint => {
  if (answer.ok) return answer.value;
  throw new OperationError("E_LIBC", `${what}: errno ${answer.errno}`);
};

/** A connected pair of stream sockets. */
export const socketPair = (): readonly [number, number] => {
  const pair = Buffer.alloc(8);
  need(syscall(nr.socketpair, AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair), "socketpair");
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
};

/**
 * A Unix socket that listens at `path`, which must not exist. Nobody accepts until the process
 * that gets the descriptor does (`server.listen({ fd })`).
 */
export const listenUnix = (path: string, mode = 0o600): number => {
  const name = cString(path);
  if (name.length > unixPathBytesMax) {
    throw new OperationError("E_LIBC", `socket path longer than ${unixPathBytesMax - 1} bytes`);
  }
  const descriptor = Number(need(syscall(nr.socket, AF_UNIX, SOCK_STREAM_CLOEXEC, 0), "socket"));
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX, 0);
  address.set(name, 2);
  try {
    need(syscall(nr.bind, descriptor, address, address.length), `bind ${path}`);
    chmodSync(path, mode);
    need(syscall(nr.listen, descriptor, backlog), `listen ${path}`);
  } catch (error) {
    syscall(nr.close, descriptor);
    throw error;
  }
  return descriptor;
};

export interface TcpListener {
  readonly descriptor: number;
  readonly port: number;
}

/**
 * A TCP socket that listens on 127.0.0.1; port 0 takes a free one. Undefined where the port is
 * taken or not for us.
 */
export const listenLoopback = (port: number): TcpListener | undefined => {
  const type = SOCK_STREAM_CLOEXEC;
  const descriptor = Number(need(syscall(nr.socket, AF_INET, type, 0), "socket"));
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  const one = Buffer.alloc(4);
  one.writeInt32LE(1, 0);
  const length = Buffer.alloc(4);
  length.writeInt32LE(address.length, 0);
  try {
    // What an earlier life left behind in TIME_WAIT does not keep the port.
    need(
      syscall(nr.setsockopt, descriptor, SOL_SOCKET, SO_REUSEADDR, one, one.length),
      "setsockopt",
    );
    const bound = syscall(nr.bind, descriptor, address, address.length);
    const taken = !bound.ok && (bound.errno === EADDRINUSE || bound.errno === EACCES);
    if (taken) {
      syscall(nr.close, descriptor);
      return undefined;
    }
    need(bound, `bind 127.0.0.1:${port}`);
    const listening = syscall(nr.listen, descriptor, backlog);
    if (!listening.ok && listening.errno === EADDRINUSE) {
      syscall(nr.close, descriptor);
      return undefined;
    }
    need(listening, `listen 127.0.0.1:${port}`);
    need(syscall(nr.getsockname, descriptor, address, length), "getsockname");
    return { descriptor, port: address.readUInt16BE(2) };
  } catch (error) {
    syscall(nr.close, descriptor);
    throw error;
  }
};
