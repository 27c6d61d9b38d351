/**
 * The kernel as the console reaches it: the same Unix sockets as the command line, dialled when
 * they are needed and again after the kernel restarted.
 */
import fs from "node:fs";
import path from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { type Channel, type Client, client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

type Socket = "guardian" | "workload" | "launcher";

/** What services of the console need of the kernel; tests give them another one. */
export interface Kernel {
  person(): Promise<Client<typeof pb.Person>>;
  devices(): Promise<Client<typeof pb.Devices>>;
  scopes(): Promise<Client<typeof pb.Scopes>>;
  models(): Promise<Client<typeof pb.Models>>;
  secrets(): Promise<Client<typeof pb.Secrets>>;
  sessions(): Promise<Client<typeof pb.Sessions>>;
  launcher(): Promise<Client<typeof pb.Kernel>>;
  policy(): Promise<Client<typeof pb.Policy>>;
}

export class KernelSockets implements Kernel {
  /** The folder's descriptor: a socket's name must be short, the data folder's need not. */
  readonly #folder: number;
  readonly #channels: Map<Socket, Promise<Channel>> = new Map();

  constructor(dataFolder: string) {
    const { O_RDONLY, O_DIRECTORY } = fs.constants;
    this.#folder = fs.openSync(path.join(dataFolder, "run"), O_RDONLY | O_DIRECTORY);
  }

  async #client<S extends DescService>(service: S, socket: Socket): Promise<Client<S>> {
    return client(service, await this.#channel(socket));
  }

  async #channel(socket: Socket): Promise<Channel> {
    const known = this.#channels.get(socket);
    if (known !== undefined) {
      const channel = await known.catch(() => undefined);
      if (channel?.open === true) return channel;
      if (this.#channels.get(socket) === known) this.#channels.delete(socket);
      else return await this.#channel(socket);
    }
    const dialled = dial(`/proc/self/fd/${this.#folder}/${socket}.sock`);
    this.#channels.set(socket, dialled);
    return await dialled;
  }

  person(): Promise<Client<typeof pb.Person>> {
    return this.#client(pb.Person, "guardian");
  }

  devices(): Promise<Client<typeof pb.Devices>> {
    return this.#client(pb.Devices, "guardian");
  }

  scopes(): Promise<Client<typeof pb.Scopes>> {
    return this.#client(pb.Scopes, "guardian");
  }

  models(): Promise<Client<typeof pb.Models>> {
    return this.#client(pb.Models, "guardian");
  }

  secrets(): Promise<Client<typeof pb.Secrets>> {
    return this.#client(pb.Secrets, "guardian");
  }

  policy(): Promise<Client<typeof pb.Policy>> {
    return this.#client(pb.Policy, "guardian");
  }

  sessions(): Promise<Client<typeof pb.Sessions>> {
    return this.#client(pb.Sessions, "workload");
  }

  launcher(): Promise<Client<typeof pb.Kernel>> {
    return this.#client(pb.Kernel, "launcher");
  }
}
