/**
 * From a name to the address that is dialled, once. The name was decided on before anybody looked it
 * up; every address that the answer holds must be of a class that the request may reach, so that a
 * mixed answer gets nowhere; what is dialled is what was checked, so that a second answer has no
 * one to ask.
 */
import dns from "node:dns";
import { OperationError } from "@ioi/base";
import {
  type AddressClass,
  addressClass,
  canonicalAddress,
  type CanonicalUrl,
} from "@ioi/firewall/net";
import { addressesMax, resolveMs } from "./limits.ts";

/** All addresses of a name, in the order in which they are tried. */
export type Resolve = (name: string) => Promise<readonly string[]>;

const unknownName = (name: string, cause?: unknown): OperationError =>
  new OperationError("E_EGRESS_NAME", `${name} has no address`, {
    ...(cause === undefined ? {} : { cause }),
    retryable: true,
  });

/** The machine's own resolver: its hosts file, then its name servers. */
export const systemResolve: Resolve = async (name) => {
  // The root's dot: no search list of the machine is appended.
  const found = await dns.promises.lookup(name.includes(".") ? `${name}.` : name, {
    all: true,
    order: "ipv4first",
  });
  return found.map(({ address }) => address);
};

/** One name server, by address and port; no hosts file. */
export const serverResolve = (server: string): Resolve => {
  const resolver = new dns.promises.Resolver({
    timeout: resolveMs / 2,
    tries: 2,
    maxTimeout: resolveMs,
  });
  try {
    resolver.setServers([server]);
  } catch (cause) {
    throw new OperationError("E_EGRESS_CONFIG", `${server} is no address of a resolver`, { cause });
  }
  return async (name) => {
    const [four, six] = await Promise.allSettled([
      resolver.resolve4(name),
      resolver.resolve6(name),
    ]);
    const addresses = [four, six].flatMap((each) =>
      each.status === "fulfilled" ? each.value : [],
    );
    if (addresses.length === 0 && four.status === "rejected") throw four.reason;
    return addresses;
  };
};

const within = async <T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("no answer in time")), ms);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
};

const lookUp = async (
  name: string,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  try {
    return await within(resolve(name), resolveMs, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw unknownName(name, error);
  }
};

/** The addresses to dial, canonical and checked. An address in the URL is not looked up. */
export const addressesOf = async (
  { host, hostType }: CanonicalUrl,
  allowed: ReadonlySet<string>,
  resolve: Resolve,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const found = hostType === "name" ? await lookUp(host, resolve, signal) : [host];
  if (found.length === 0) throw unknownName(host);
  if (found.length > addressesMax) {
    throw new OperationError("E_EGRESS_NAME", `${host} has ${found.length} addresses`);
  }
  const addresses = found.map((address) => canonicalAddress(address) ?? "");
  for (const address of addresses) {
    const kind: AddressClass | "reserved" = addressClass(address);
    if (kind !== "reserved" && allowed.has(kind)) continue;
    throw new OperationError(
      "E_EGRESS_ADDRESS",
      `${host} leads to ${address === "" ? "no address" : address}, which is ${kind}`,
    );
  }
  return [...new Set(addresses)];
};
