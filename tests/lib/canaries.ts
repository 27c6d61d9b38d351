/** Listeners outside that count what arrives: TCP, UDP, a Unix socket and an abstract one. */
import { randomBytes } from "node:crypto";
import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";

/** The one attempt of each kind must arrive outside, and none of the inside. */
export const listeners = ["tcp-connect", "udp-send", "unix-connect", "abstract-connect"] as const;
export type Listener = (typeof listeners)[number];

/** Counts what arrives. */
export class Canaries implements AsyncDisposable {
  readonly #counts = new Map<Listener, number>();
  readonly #servers: net.Server[] = [];
  readonly #udp = dgram.createSocket("udp4");
  readonly abstractName: string = `ioi-canary-${randomBytes(8).toString("hex")}`;
  tcpPort = 0;
  udpPort = 0;

  async open(unixPath: string): Promise<void> {
    const tcp = await this.#listen("tcp-connect", { port: 0, host: "127.0.0.1" });
    this.tcpPort = (tcp.address() as net.AddressInfo).port;
    await this.#listen("unix-connect", { path: unixPath });
    await this.#listen("abstract-connect", { path: `\0${this.abstractName}` });
    this.#udp.on("message", () => this.#count("udp-send"));
    this.#udp.bind(0, "127.0.0.1");
    await once(this.#udp, "listening");
    this.udpPort = this.#udp.address().port;
  }

  #count(name: Listener): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  async #listen(name: Listener, at: net.ListenOptions): Promise<net.Server> {
    const server = net.createServer((socket) => {
      this.#count(name);
      socket.on("error", () => undefined);
      socket.destroy();
    });
    server.listen(at);
    await once(server, "listening");
    this.#servers.push(server);
    return server;
  }

  take(name: Listener): number {
    const count = this.#counts.get(name) ?? 0;
    this.#counts.delete(name);
    return count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    for (const server of this.#servers) server.close();
  }
}
