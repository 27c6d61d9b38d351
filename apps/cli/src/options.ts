/** Values of options, checked where they are read: a wrong one is a usage error with its name. */
import { usage } from "./report.ts";

const portOf =
  (option: string) =>
  (text: string): number => {
    const port = Number(text);
    if (!/^\d{1,5}$/.test(text) || port > 65_535) {
      throw usage(`${option} takes a number from 0 to 65535, not "${text}"`);
    }
    return port;
  };

export const parsePort: (text: string) => number = portOf("--port");
export const parsePagePort: (text: string) => number = portOf("--page-port");

/** A whole number from 0. */
export const parseCount =
  (option: string) =>
  (text: string): number => {
    if (!/^\d{1,15}$/.test(text)) throw usage(`${option} takes a whole number, not "${text}"`);
    return Number(text);
  };

/** The number of an action in its session. */
export const parseAction =
  (option: string) =>
  (text: string): number => {
    const n = parseCount(option)(text);
    if (n > 0xffff_ffff) throw usage(`no session has an action ${text}`);
    return n;
  };

/** `K=V`, repeatable. */
export const parseParam = (
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> => {
  const at = text.indexOf("=");
  if (at <= 0) throw usage(`--param takes NAME=VALUE, not "${text}"`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
};

export const parseOnAsk = (text: string): "prompt" | "deny" | "pend" => {
  if (text === "prompt" || text === "deny" || text === "pend") return text;
  throw usage(`--on-ask takes prompt, deny or pend, not "${text}"`);
};

export const parseGateAsk = (text: string): "deny" | "wait" | "elicit" => {
  if (text === "deny" || text === "wait" || text === "elicit") return text;
  throw usage(`--on-ask takes wait, elicit or deny, not "${text}"`);
};

/** A port of the loopback address; 0 lets the system choose. */
export const parseListen = (text: string): number => {
  const port = /^(?:127\.0\.0\.1:)?(\d{1,5})$/.exec(text)?.[1];
  if (port === undefined || Number(port) > 65_535) {
    throw usage(`--listen takes a port, or 127.0.0.1:PORT, not "${text}"`);
  }
  return Number(port);
};

export const parseAccess = (text: string): "read" | "organise" | "write" => {
  if (text === "read" || text === "organise" || text === "write") return text;
  throw usage(`--access takes read, organise or write, not "${text}"`);
};

export const parseProtocol = (text: string): "openai" | "anthropic" => {
  if (text === "openai" || text === "anthropic") return text;
  throw usage(`--protocol takes openai or anthropic, not "${text}"`);
};

/** Dollars, as micro-dollars. */
export const parseDollars = (text: string): number => {
  const parts = /^(\d{1,6})(?:\.(\d{1,6}))?$/.exec(text);
  if (parts === null) throw usage(`a price is dollars such as 0.25, not "${text}"`);
  return Number(parts[1]) * 1_000_000 + Number((parts[2] ?? "").padEnd(6, "0"));
};

/** Repeatable text. */
export const collect = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
];

/** An address and a port, as in 192.0.2.53:53 or [2001:db8::53]:53. */
export const parseResolver = (text: string): string => {
  if (/^(?:[0-9.]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$/.test(text)) return text;
  throw usage(`--resolver takes an address and a port, as in 192.0.2.53:53, not "${text}"`);
};

/** A whole number from 1 that every field holds. */
export const parseBudget =
  (option: string) =>
  (text: string): number => {
    const n = parseCount(option)(text);
    if (n < 1 || n > 1_000_000_000) throw usage(`${option} takes a number from 1, not "${text}"`);
    return n;
  };

/** Dollars, as micro-dollars; nothing at all is no budget. */
export const parseUsd = (text: string): number => {
  const microusd = parseDollars(text);
  if (microusd === 0) throw usage(`--usd takes more than nothing, not "${text}"`);
  return microusd;
};
