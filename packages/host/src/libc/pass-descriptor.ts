/**
 * Handing an open descriptor to another process over a Unix socket that both hold as a plain number.
 * Sources: sendmsg(2), recvmsg(2), unix(7) (SCM_RIGHTS), cmsg(3). One descriptor a message; the other
 * side gets one of its own, close-on-exec. Bounds: `passedBytesMax` of text beside it.
 */
import { OperationError } from "@ioi/base";
import { nr, pointerTo, syscall } from "./ffi.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET_CLOEXEC = 5 | 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_CTRUNC = 8;
/** One descriptor: a header of 16 bytes and four bytes, in words of eight. */
const controlBytes = 24;
const passedBytesMax = 64;

/** A pair whose messages keep their borders, so that a descriptor stays with its text. */
export const messagePair = (): readonly [number, number] => {
  const pair = Buffer.alloc(8);
  const made = syscall(nr.socketpair, AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, pair);
  if (!made.ok) throw new OperationError("E_LIBC", `socketpair: errno ${made.errno}`);
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
};

/** struct msghdr and what it points to, on a 64-bit machine; all must outlive the call. */
const messageOf = (text: Buffer, control: Buffer): readonly [Buffer, Buffer] => {
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(pointerTo(text), 0);
  vector.writeBigUInt64LE(BigInt(text.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(pointerTo(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(pointerTo(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  return [header, vector];
};

/** Sends a copy of `descriptor`; the caller keeps its own. */
export const passDescriptor = (socket: number, text: Uint8Array, descriptor: number): void => {
  if (text.length === 0 || text.length > passedBytesMax) {
    throw new OperationError("E_LIBC", `a descriptor with ${text.length} bytes of text`);
  }
  const control = Buffer.alloc(controlBytes);
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  control.writeInt32LE(descriptor, 16);
  const held = Buffer.from(text);
  const [header, vector] = messageOf(held, control);
  const sent = syscall(nr.sendmsg, socket, header, MSG_DONTWAIT | MSG_NOSIGNAL);
  // Reachable until the kernel has read them.
  void [held, control, vector];
  if (!sent.ok) throw new OperationError("E_LIBC", `sendmsg: errno ${sent.errno}`);
};

export interface PassedDescriptor {
  readonly text: Uint8Array;
  readonly descriptor: number;
}

/** What waits on the socket; undefined where nothing does, or where it is not one descriptor. */
export const takeDescriptor = (socket: number): PassedDescriptor | undefined => {
  const control = Buffer.alloc(controlBytes);
  const text = Buffer.alloc(passedBytesMax);
  const [header, vector] = messageOf(text, control);
  const got = syscall(nr.recvmsg, socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  void [vector, text];
  if (!got.ok) return undefined;
  const whole =
    header.readBigUInt64LE(40) === 24n &&
    (header.readUInt32LE(48) & MSG_CTRUNC) === 0 &&
    control.readBigUInt64LE(0) === 20n &&
    control.readInt32LE(8) === SOL_SOCKET &&
    control.readInt32LE(12) === SCM_RIGHTS;
  if (!whole) return undefined;
  return {
    text: Uint8Array.from(text.subarray(0, Number(got.value))),
    descriptor: control.readInt32LE(16),
  };
};
