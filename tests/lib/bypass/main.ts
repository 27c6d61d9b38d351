/**
 * Tries the part of the catalogue that needs no network of its own, as whoever starts it, and prints
 * the cases as one line of JSON. With an argument only the cases whose id begins with it.
 */
import { commandCases } from "./commands.ts";
import { judgeAttack } from "./attack.ts";
import { fileAttacks } from "./files.ts";
import { hostileAttacks } from "./hostile.ts";
import { Place } from "./place.ts";

const only = process.argv[2] ?? "";
const wanted = (id: string): boolean => id.startsWith(only);
await using place = await Place.open(new AbortController().signal);
const cases = [...(await commandCases(place, wanted))];
for (const attack of [...fileAttacks, ...hostileAttacks]) {
  if (wanted(attack.id)) cases.push(await judgeAttack(place, attack));
}
process.stdout.write(`${JSON.stringify(cases)}\n`);
