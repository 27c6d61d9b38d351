/**
 * A pseudo-terminal: the master here, the other end for a program that is started on it. Made in
 * the driver's own file system of terminals, so that nobody outside can open it. Sources: pts(4),
 * ioctl_tty(2).
 */
import fs from "node:fs";
import tty from "node:tty";
import { OperationError } from "@ioi/base";
import { nr, syscall, type SyscallResult } from "@ioi/host/libc";
import { errnoOf } from "../fs/syscalls.ts";
import { shellRetryMs, shellUnwrittenBytesMax } from "../limits.ts";

const TIOCGPGRP = 0x540f;
const TIOCSWINSZ = 0x5414;
const TIOCGSID = 0x5429;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const { O_RDWR, O_NOCTTY, O_NONBLOCK } = fs.constants;

const need = (answer: SyscallResult, what: string): bigint => {
  if (answer.ok) return answer.value;
  throw new OperationError("E_SHELL_NOT_STARTED", `${what}: errno ${answer.errno}`);
};

const openMaster = (): number => {
  try {
    return fs.openSync("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  } catch (cause) {
    throw new OperationError("E_SHELL_NOT_STARTED", "no terminal can be made", { cause });
  }
};

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export class Pty implements Disposable {
  readonly #master: number;
  readonly stream: tty.ReadStream;
  #other: number;
  /** Typed, and not taken by the terminal yet. */
  #unwritten: Buffer = Buffer.alloc(0);
  #retry: NodeJS.Timeout | undefined;

  private constructor(master: number, other: number) {
    this.#master = master;
    this.#other = other;
    this.stream = new tty.ReadStream(master);
    // The end of the last program on it reads as an error.
    this.stream.on("error", () => undefined);
  }

  static open({ columns, rows }: Size): Pty {
    const master = openMaster();
    try {
      need(syscall(nr.ioctl, master, TIOCSPTLCK, Buffer.alloc(4)), "unlocking a terminal");
      const peer = syscall(nr.ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
      const other = Number(need(peer, "the other end of a terminal"));
      const size = Buffer.alloc(8);
      size.writeUInt16LE(rows, 0);
      size.writeUInt16LE(columns, 2);
      need(syscall(nr.ioctl, master, TIOCSWINSZ, size), "the size of a terminal");
      return new Pty(master, other);
    } catch (error) {
      fs.closeSync(master);
      throw error;
    }
  }

  /** For the `stdio` of the program; closed here once it has been started. */
  get other(): number {
    return this.#other;
  }

  closeOther(): void {
    if (this.#other !== -1) fs.closeSync(this.#other);
    this.#other = -1;
  }

  /** False where so much is not taken yet that no more is. */
  write(bytes: Uint8Array): boolean {
    if (this.#unwritten.length + bytes.length > shellUnwrittenBytesMax) return false;
    this.#unwritten = Buffer.concat([this.#unwritten, bytes]);
    this.#flush();
    return true;
  }

  /** The platform's stream would block the process where the terminal takes nothing. */
  #flush(): void {
    clearTimeout(this.#retry);
    if (this.stream.destroyed) return;
    try {
      while (this.#unwritten.length > 0) {
        this.#unwritten = this.#unwritten.subarray(fs.writeSync(this.#master, this.#unwritten));
      }
    } catch (error) {
      // The last program on it has ended: what is typed goes nowhere.
      if (errnoOf(error) !== "EAGAIN") this.#unwritten = Buffer.alloc(0);
    }
    if (this.#unwritten.length > 0) this.#retry = setTimeout(() => this.#flush(), shellRetryMs);
  }

  /** Something else than the shell itself has the terminal, or nobody has it yet or any more. */
  isBusy(): boolean {
    if (this.stream.destroyed) return true;
    const [group, session] = [Buffer.alloc(4), Buffer.alloc(4)];
    const found =
      syscall(nr.ioctl, this.#master, TIOCGPGRP, group).ok &&
      syscall(nr.ioctl, this.#master, TIOCGSID, session).ok;
    return !found || group.readInt32LE(0) !== session.readInt32LE(0);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    this.closeOther();
    this.stream.destroy();
  }
}
