/**
 * The `network` of a rule that allows programs: where they may go without being asked about again,
 * as in `network = [{ host = "packages.example.com", port = 443 }]`.
 * With `intercept = true` connections to the host are opened, and what the program says there is read. A
 * rule without it allows a program only without a network. Bounds: `programHostsMax`.
 */
import type { FlowHost } from "@ioi/wire";
import { readHost } from "../kinds/names.ts";
import { hostCharsMax, programHostsMax } from "../limits.ts";
import {
  choiceOf,
  fieldsOf,
  flagOf,
  integerOf,
  listOf,
  type Reading,
  tableOf,
  textOf,
} from "../policy-reader.ts";
import type { Condition } from "../predicate.ts";
import type { TomlEntry, TomlNode } from "../toml.ts";
import type { Effect } from "../types.ts";
import { nameClass } from "./url.ts";

/** Targets that start programs of the session's choosing. */
export const networkTargets: ReadonlySet<string> = new Set(["sys::exec", "sys::shell"]);

const methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] as const;
const classes = ["public", "private", "loopback", "link-local"] as const;

const readChoices = <const C extends readonly string[]>(
  reading: Reading,
  entry: TomlEntry | undefined,
  choices: C,
): readonly C[number][] | undefined => {
  if (entry === undefined) return undefined;
  const all = listOf(reading, entry.value, choices.length, true)?.flatMap((item) => {
    const read = choiceOf(reading, item, choices);
    return read === undefined ? [] : [read];
  });
  return all === undefined ? undefined : [...new Set(all)];
};

const readPlace = (reading: Reading, node: TomlNode): FlowHost | undefined => {
  const table = tableOf(reading, node);
  if (table === undefined) return undefined;
  const fields = fieldsOf(reading, table, ["host", "port", "methods", "address", "intercept"]);
  const hostNode = fields.get("host")?.value;
  if (hostNode === undefined) {
    reading.complaints.add("E_POLICY_MISSING", 'a place without "host"', table.at);
    return undefined;
  }
  const text = textOf(reading, hostNode, "a host", hostCharsMax);
  if (text === undefined) return undefined;
  const host = readHost(text);
  if (!host.ok) {
    const message = `${JSON.stringify(text.slice(0, 80))} is no host in its one spelling: ${host.error}`;
    const next = "A pattern of hosts goes into a rule on net::connect.";
    reading.complaints.add("E_POLICY_VALUE", message, hostNode.at, next);
    return undefined;
  }
  const portEntry = fields.get("port");
  const port = portEntry === undefined ? 443 : integerOf(reading, portEntry.value, 1, 65_535);
  if (port === undefined) return undefined;
  const own = nameClass(host.value);
  if (own === "reserved") {
    reading.complaints.add("E_POLICY_VALUE", `${text} is an address that no host has`, hostNode.at);
    return undefined;
  }
  const only = readChoices(reading, fields.get("methods"), methods);
  const address = readChoices(reading, fields.get("address"), classes);
  const opened = fields.get("intercept");
  const intercept = opened === undefined ? false : flagOf(reading, opened.value);
  if (intercept === undefined) return undefined;
  return {
    host: text,
    port,
    ...(intercept ? { intercept: "leased" as const } : {}),
    ...(only === undefined ? {} : { methods: only }),
    classes: address ?? [own],
  };
};

/** The places of a rule; undefined where it has none. Complains where it may not. */
export const readNetwork = (
  reading: Reading,
  entry: TomlEntry | undefined,
  targets: readonly { readonly name: string }[],
  effect: Effect | undefined,
): readonly FlowHost[] | undefined => {
  if (entry === undefined) return undefined;
  const { value, at } = entry;
  if (effect !== "allow" || !targets.every(({ name }) => networkTargets.has(name))) {
    const message =
      '"network" belongs to a rule that allows programs (sys::exec, sys::shell) and nothing else';
    const next = "What programs may not reach is refused by a rule on net::connect.";
    reading.complaints.add("E_POLICY_VALUE", message, at, next);
    return undefined;
  }
  // An empty list: a network, and every host asks.
  if (value.type === "array" && value.items.length === 0) return [];
  const items = listOf(reading, value, programHostsMax, true);
  return items?.flatMap((item) => readPlace(reading, item) ?? []);
};

/** What a rule says of the network by saying nothing: that there is none. */
export const impliedConditions = (
  effect: Effect | undefined,
  targets: readonly { readonly name: string }[],
  network: readonly FlowHost[] | undefined,
  given: readonly Condition[],
): readonly Condition[] =>
  effect === "allow" &&
  network === undefined &&
  targets.some(({ name }) => networkTargets.has(name)) &&
  !given.some(({ argument }) => argument === "network")
    ? [...given, { argument: "network", predicate: { type: "absent", wanted: true } }]
    : given;
