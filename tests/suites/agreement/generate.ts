/**
 * Random policies about one small world, and operations in it. Biased towards what meets: refusals
 * name the folders that operations reach for.
 */
import path from "node:path";
import type { SeededRandom } from "@ioi/base";
import type { Action, Facts } from "@ioi/wire";
import { folders, names, type Place } from "./place.ts";

type Random = SeededRandom;
const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;
const chance = (random: Random, percent: number): boolean => random.below(100) < percent;

const fixed = [
  "scope:/private/**",
  "scope:/private",
  "scope:/a/f0.txt",
  "scope:/a/deep/**",
  "scope:/out/**",
  "scope:/{a,out}/f1.txt",
  "scope:/src/secret.env",
  "scope:/.env",
  "notes:/sub/**",
  "notes:/n0.txt",
];
const wild = ["scope:/**/*.env", "scope:/*/f0.txt", "notes:/*", "scope:/p*/**", "scope:/**"];

const condition = (random: Random, argument: string): string => {
  const pattern = JSON.stringify(chance(random, 70) ? pick(random, fixed) : pick(random, wild));
  switch (random.below(12)) {
    case 0:
      return `where.${argument} = { glob_nocase = ${pattern} }`;
    case 1:
      return `where.${argument} = { not = { glob = ${pattern} } }`;
    case 2:
      return `where.${argument} = { any = [{ glob = ${pattern} }, { glob = ${JSON.stringify(pick(random, fixed))} }] }`;
    default:
      return `where.${argument} = { glob = ${pattern} }`;
  }
};

const single = ["fs::read", "fs::write", "fs::delete", "fs::mkdir", "fs::stat", "fs::list"];

const denial = (random: Random, at: number): string => {
  const pair = chance(random, 25);
  const targets = pair
    ? [pick(random, ["fs::move", "fs::copy"])]
    : [...new Set([pick(random, single), ...(chance(random, 40) ? [pick(random, single)] : [])])];
  const where = pair
    ? pick(random, [
        [condition(random, "path")],
        [condition(random, "to")],
        [condition(random, "path"), condition(random, "to")],
      ])
    : [condition(random, "path")];
  return [
    "[[rule]]",
    `id = "no-${at}"`,
    'effect = "deny"',
    `target = [${targets.map((each) => `"${each}"`).join(", ")}]`,
    ...where,
  ].join("\n");
};

const allowing = (random: Random): readonly string[] => {
  const one = (id: string, targets: string, where: string): string =>
    `[[rule]]\nid = "${id}"\neffect = "allow"\ntarget = [${targets}]\n${where}`;
  const all = 'glob = ["scope:/**", "scope:/**/.*"]';
  const rules = [
    one("look", '"fs::read", "fs::stat", "fs::list"', `where.path = { ${all} }`),
    one("look-notes", '"fs::read"', 'where.path = { glob = "notes:/**" }'),
    one("change", '"fs::write", "fs::mkdir", "fs::delete"', `where.path = { ${all} }`),
    one("carry", '"fs::move", "fs::copy"', `where.path = { ${all} }\nwhere.to = { ${all} }`),
  ];
  return rules.filter(() => chance(random, 85));
};

/** A policy's text; `hosts` are refused. */
export const makePolicy = (
  random: Random,
  { notes }: Place,
  hosts: readonly string[] = [],
): string =>
  [
    "version = 1",
    `[workspace.notes]\npath = ${JSON.stringify(notes)}\naccess = "read"`,
    ...allowing(random),
    ...Array.from({ length: 1 + random.below(4) }, (_, at) => denial(random, at)),
    '[[rule]]\nid = "get"\neffect = "allow"\ntarget = ["net::get"]\nwhere.url = { scheme = ["http"], host = ["*.example.test"], address = ["loopback", "public"] }',
    ...hosts.map(
      (host, at) =>
        `[[rule]]\nid = "no-host-${at}"\neffect = "deny"\ntarget = ["net::get"]\nwhere.url = { host = ["${host}"] }`,
    ),
    "[approval]\nreversible_without_asking = false",
  ].join("\n\n");

/** What somebody does to files, whoever it is. */
export interface Operation {
  readonly target: "fs::read" | "fs::write" | "fs::delete" | "fs::move" | "fs::copy" | "fs::mkdir";
  readonly path: string;
  readonly to?: string;
}

const content = { sha256: new Uint8Array(32), length: 4, head: "new\n" };

export const actionOf = (
  { target, path: file, to }: Operation,
  facts: (file: string) => Facts,
): Action => ({
  version: 1,
  target,
  args: {
    path: file,
    ...(to === undefined ? {} : { to }),
    ...(target === "fs::write" ? { content, create: "any" } : {}),
  },
  facts: { path: facts(file), ...(to === undefined ? {} : { to: facts(to) }) },
});

const fileIn = (random: Random, { scope, notes, outside }: Place): string => {
  const roll = random.below(20);
  if (roll === 0) return path.join(outside, "o0.txt");
  if (roll === 1) return path.join(notes, pick(random, ["n0.txt", "sub/n1.txt", "sub/secret.env"]));
  return path.join(scope, pick(random, folders), pick(random, names));
};

/** A place in the scope where nothing is. */
const freshIn = (random: Random, { scope, outside }: Place): string =>
  chance(random, 4)
    ? path.join(outside, `new${random.below(1000)}`)
    : path.join(
        scope,
        pick(random, folders),
        `new${random.below(1_000_000)}${pick(random, [".txt", ".env", ""])}`,
      );

export const makeOperation = (random: Random, place: Place): Operation => {
  switch (random.below(8)) {
    case 0:
      return { target: "fs::write", path: freshIn(random, place) };
    case 1:
      return { target: "fs::write", path: fileIn(random, place) };
    case 2:
      return { target: "fs::delete", path: fileIn(random, place) };
    case 3:
      return { target: "fs::move", path: fileIn(random, place), to: freshIn(random, place) };
    case 4:
      return { target: "fs::copy", path: fileIn(random, place), to: freshIn(random, place) };
    case 5:
      return { target: "fs::mkdir", path: freshIn(random, place) };
    default:
      return { target: "fs::read", path: fileIn(random, place) };
  }
};
