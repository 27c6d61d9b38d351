/**
 * Where the agent's tools and the firewall's targets meet: the two registries are compared at the
 * start, and an agent's raw arguments become canonical ones.
 */
import { callTarget, type RawArguments, toolOf, tools } from "@ioi/agent";
import { assert, type Result } from "@ioi/base";
import {
  canonicalise,
  type CanonicalArguments,
  type RawValue,
  type Root,
  targets,
} from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";
import { parseJson } from "@ioi/wire";

const names = (list: readonly { readonly name: string }[]): string =>
  list
    .map(({ name }) => name)
    .sort((a, b) => (a < b ? -1 : 1))
    .join(", ");

/** Nothing that an agent proposes: a program of the session asks for it while it runs. */
const askedByPrograms: ReadonlySet<string> = new Set(["net::connect"]);

/** What the two registries disagree on; empty where they agree. */
export const registryDifferences = (): readonly string[] => {
  const differences: string[] = [];
  const offered = tools.filter(({ driver }) => driver !== null);
  for (const tool of offered) {
    const target = targets.get(tool.target);
    if (target === undefined || target.driver !== tool.driver) {
      differences.push(`${tool.target}: ${tool.driver} here, ${target?.driver} in the firewall`);
      continue;
    }
    const judged = target.arguments.filter((each) => each.fromSession !== true);
    if (names(judged) !== names(tool.arguments)) {
      differences.push(`${tool.target}: ${names(tool.arguments)} here, ${names(judged)} there`);
    }
  }
  for (const target of targets.values()) {
    if (target.driver === undefined || askedByPrograms.has(target.name)) continue;
    if (!offered.some((tool) => tool.target === target.name)) {
      differences.push(`${target.name}: no tool`);
    }
  }
  return differences;
};

export const checkRegistries = (): void => {
  const differences = registryDifferences();
  assert(differences.length === 0, `tools and targets differ: ${differences.join("; ")}`);
};

/** An agent gives JSON as text; what is none stays, and is refused. */
const withJson = (raw: RawValue): RawValue => {
  const { arguments: text } = raw as { readonly arguments?: RawValue };
  const parsed = typeof text === "string" ? parseJson(text) : undefined;
  return parsed?.ok === true ? { ...(raw as object), arguments: parsed.value } : raw;
};

/** Canonical arguments of a proposal, or why there are none. */
export const canonicalArguments = (
  target: string,
  args: RawArguments,
  content: Uint8Array | undefined,
  roots: readonly Root[],
  home: string,
  supplied: { readonly [name: string]: RawValue } = {},
): Result<CanonicalArguments, { readonly code: string; readonly message: string }> => {
  const name = toolOf(target)?.arguments.find(({ of }) => of.type === "content")?.name;
  const given: RawValue =
    content === undefined
      ? (args as RawValue)
      : { ...(args as object), [name ?? "content"]: content };
  const raw = target === callTarget ? withJson(given) : given;
  return canonicalise(target, raw, { roots, home, supplied, hashing: nodeCrypto, parseUrl });
};
