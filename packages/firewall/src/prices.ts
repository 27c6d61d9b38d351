/**
 * The price table: what models cost, by the provider's name for them. A person's to read and to
 * change; a price that a person confirmed with a model counts before it.
 *
 * Bounds: `pricesMax`; a pattern is a name in which `*` stands for any characters.
 */
import { err, ok, type Result } from "@ioi/base";
import { modelPriceMax, pricesMax } from "./limits.ts";
import {
  Complaints,
  fieldsOf,
  integerOf,
  listOf,
  microusdOf,
  type Reading,
  tableOf,
  textOf,
} from "./policy-reader.ts";
import { parseToml, type TomlNode } from "./toml.ts";
import type { PolicyError } from "./types.ts";

export interface Price {
  /** Of the provider's name; `*` stands for any characters. */
  readonly model: string;
  /** Micro-dollars for a million tokens. */
  readonly input: number;
  readonly output: number;
}

const readPrice = (reading: Reading, node: TomlNode): Price | undefined => {
  const table = tableOf(reading, node);
  if (table === undefined) return undefined;
  const fields = fieldsOf(reading, table, ["model", "input", "output"]);
  const [model, input, output] = ["model", "input", "output"].map((key) => fields.get(key)?.value);
  if (model === undefined || input === undefined || output === undefined) {
    reading.complaints.add("E_POLICY_VALUE", "a price has model, input and output", node.at);
    return undefined;
  }
  const name = textOf(reading, model, "a model's name", 256);
  const dollarsIn = microusdOf(reading, input, modelPriceMax);
  const dollarsOut = microusdOf(reading, output, modelPriceMax);
  return name === undefined || dollarsIn === undefined || dollarsOut === undefined
    ? undefined
    : { model: name, input: dollarsIn, output: dollarsOut };
};

/** Every price of the file, or every complaint. */
export const readPrices = (
  file: string,
  text: string,
): Result<readonly Price[], readonly PolicyError[]> => {
  const tree = parseToml(file, text);
  if (!tree.ok) return err([tree.error]);
  const complaints = new Complaints();
  const reading: Reading = { tier: "user", complaints, roots: new Set() };
  const fields = fieldsOf(reading, tree.value, ["version", "price"]);
  const version = fields.get("version");
  if (version === undefined) {
    complaints.add("E_POLICY_VALUE", "version is missing; this is version 1", tree.value.at);
  } else integerOf(reading, version.value, 1, 1);
  const list = fields.get("price");
  const items = list === undefined ? [] : (listOf(reading, list.value, pricesMax) ?? []);
  const prices = items.map((node) => readPrice(reading, node)).filter((each) => each !== undefined);
  return complaints.count > 0 ? err(complaints.all) : ok(prices);
};

/** Whether `*` can be filled so that the pattern is the name; no step back is ever taken. */
const fits = (pattern: string, name: string): boolean => {
  const parts = pattern.split("*");
  const [first = "", last = ""] = [parts[0], parts.at(-1)];
  if (parts.length === 1) return pattern === name;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length;
};

/** The price of the longest pattern that fits. */
export const priceOf = (prices: readonly Price[], name: string): Price | undefined =>
  prices
    .filter(({ model }) => fits(model, name))
    .reduce<Price | undefined>(
      (best, each) => (best === undefined || each.model.length > best.model.length ? each : best),
      undefined,
    );

/** What a first run writes to `prices.toml`. */
export const defaultPrices: string = `# What models cost, in dollars for a million tokens. Providers change their prices: compare them with
# yours, and correct them here. "*" stands for any characters; the longest pattern that fits counts.
# A model on this machine costs nothing unless a line here or \`ioi models add --price-in\` says so.

version = 1

[[price]]
model = "claude-opus-4*"
input = 15.00
output = 75.00

[[price]]
model = "claude-sonnet-4*"
input = 3.00
output = 15.00

[[price]]
model = "claude-haiku-4*"
input = 1.00
output = 5.00

[[price]]
model = "gpt-5*"
input = 1.25
output = 10.00

[[price]]
model = "gpt-5-mini*"
input = 0.25
output = 2.00

[[price]]
model = "gpt-4.1*"
input = 2.00
output = 8.00

[[price]]
model = "gpt-4o-mini*"
input = 0.15
output = 0.60
`;
