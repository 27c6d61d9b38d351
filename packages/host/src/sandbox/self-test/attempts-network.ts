/** Attempts to reach anything that listens. The parent counts what arrives. */
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { connect, createServer, type NetConnectOpts } from "node:net";
import { cString } from "../../libc/index.ts";
import { calls, describe, done, invoke, refused } from "./attempt-tools.ts";
import type { Attempt, AttemptFunction, SceneFacts } from "./scene-facts.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;

const connects = (options: NetConnectOpts): Promise<Attempt> =>
  new Promise((resolve) => {
    const socket = connect(options);
    socket.on("connect", () => {
      socket.destroy();
      resolve(done());
    });
    socket.on("error", (error) => resolve(refused(describe(error))));
  });

const sends = (facts: SceneFacts): Promise<Attempt> =>
  new Promise((resolve) => {
    let socket: ReturnType<typeof createSocket>;
    try {
      socket = createSocket("udp4");
    } catch (error) {
      return resolve(refused(describe(error)));
    }
    socket.on("error", (error) => resolve(refused(describe(error))));
    socket.send("canary", facts.udpPort, "127.0.0.1", (error) => {
      socket.close();
      resolve(error === null ? done() : refused(describe(error)));
    });
  });

const resolvesName = async (facts: SceneFacts): Promise<Attempt> => {
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([`127.0.0.1:${facts.udpPort}`]);
  try {
    await resolver.resolve4("canary.invalid");
    return done();
  } catch (error) {
    const code = describe(error);
    // The canary answers that there is no such name.
    return code === "ENOTFOUND" ? done("asked") : refused(code);
  }
};

const listens = (): Promise<Attempt> =>
  new Promise((resolve) => {
    const server = createServer();
    server.on("error", (error) => resolve(refused(describe(error))));
    server.listen(0, "127.0.0.1", () => {
      server.close();
      resolve(done());
    });
  });

const unixAddress = (path: string): Uint8Array => {
  const name = cString(path);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX, 0);
  address.set(name, 2);
  return address;
};

/** A datagram socket of a pair can be pointed at another address without a call to socket(). */
const redirectsPair = (facts: SceneFacts): Attempt => {
  const pair = Buffer.alloc(8);
  const made = invoke("socketpair", AF_UNIX, SOCK_DGRAM, 0, pair);
  if (!made.ok) return refused(`errno ${made.errno}`);
  const address = unixAddress(facts.unixDatagramPath);
  const answer = calls("connect", [pair.readInt32LE(0), address, address.length]);
  invoke("close", pair.readInt32LE(0));
  invoke("close", pair.readInt32LE(4));
  return answer;
};

const opens = (domain: number, type: number, protocol: number): Attempt =>
  calls("socket", [domain, type, protocol], true);

export const networkAttempts: Readonly<Record<string, AttemptFunction>> = {
  "tcp-connect": (facts) => connects({ host: "127.0.0.1", port: facts.tcpPort }),
  "tcp-listen": listens,
  "udp-send": sends,
  "name-lookup": resolvesName,
  "unix-connect": (facts) => connects({ path: facts.unixPath }),
  "unix-abstract-connect": (facts) => connects({ path: `\0${facts.abstractName}` }),
  "unix-datagram-redirect": redirectsPair,
  "socket-netlink": () => opens(16, SOCK_RAW, 0),
  "socket-netlink-audit": () => opens(16, SOCK_RAW, 9),
  "socket-raw": () => opens(2, SOCK_RAW, 1),
  "socket-packet": () => opens(17, SOCK_RAW, 0),
  "socket-vsock": () => opens(40, 1, 0),
  "socket-crypto": () => opens(38, 5, 0),
};
