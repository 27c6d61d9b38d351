/** A client of MCP that says what it is told to, for tests of what official clients never do. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { projectRoot } from "../kernel.ts";

export interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly result?: {
    readonly content?: readonly { readonly text: string }[];
    readonly isError?: boolean;
    readonly tools?: readonly { readonly name: string }[];
    readonly serverInfo?: object;
  };
  readonly error?: { readonly code: number; readonly message: string };
}

export class RawClient implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #heard: Message[] = [];
  readonly #wake: Set<() => void> = new Set();
  readonly exited: Promise<number>;
  /** What the command says to a person. */
  stderr = "";
  #next = 0;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { env: { ...process.env, NO_COLOR: "1" } });
    this.exited = new Promise((resolve) => {
      this.#child.once("close", (code) => {
        resolve(code ?? 137);
        for (const wake of this.#wake) wake();
      });
    });
    this.#child.stdin.on("error", () => undefined);
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      for (const wake of this.#wake) wake();
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.#heard.push(JSON.parse(line) as Message);
      for (const wake of this.#wake) wake();
    });
  }

  /** Behind the gate. */
  static gate(data: string, args: readonly string[]): RawClient {
    const main = `${projectRoot}/apps/cli/src/main.ts`;
    const quiet = "--disable-warning=ExperimentalWarning";
    return new RawClient(process.execPath, [quiet, main, "gate", "mcp", "--data", data, ...args]);
  }

  get heard(): readonly Message[] {
    return this.#heard;
  }

  send(message: object | string): void {
    this.#child.stdin.write(`${typeof message === "string" ? message : JSON.stringify(message)}\n`);
  }

  /** Until it holds; fails where the command has ended and it cannot any more. */
  async until<T>(look: () => T | undefined): Promise<T> {
    let over = false;
    void this.exited.then(() => {
      over = true;
    });
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (over) throw new Error(`the command ended: ${this.stderr.slice(-2000)}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#wake.delete(wake);
          resolve();
        };
        this.#wake.add(wake);
      });
    }
  }

  async answer(id: unknown): Promise<Message> {
    return await this.until(() =>
      this.#heard.find((each) => each.id === id && each.method === undefined),
    );
  }

  async request(method: string, params: object = {}): Promise<Message> {
    const id = `c${++this.#next}`;
    this.send({ jsonrpc: "2.0", id, method, params });
    return await this.answer(id);
  }

  async hello(capabilities: object = {}): Promise<void> {
    const clientInfo = { name: "raw", version: "1" };
    await this.request("initialize", { protocolVersion: "2025-11-25", capabilities, clientInfo });
    this.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  }

  async call(name: string, args: object = {}): Promise<string> {
    const { result, error } = await this.request("tools/call", { name, arguments: args });
    if (error !== undefined) return `error: ${error.message}`;
    return result?.content?.[0]?.text ?? "";
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  end(): void {
    this.#child.stdin.end();
  }

  /** As a person does with Ctrl-C. */
  stop(): void {
    this.#child.kill("SIGTERM");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 15_000);
    await this.exited;
    clearTimeout(timer);
  }
}
