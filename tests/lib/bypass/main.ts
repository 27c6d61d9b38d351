/**
 * Tries the part of the catalogue that needs a driver alone, as whoever starts it, and prints the
 * cases as one line of JSON. Arguments: the beginning of the ids; how many variants of each item.
 */
import { judgeAttack } from "./attack.ts";
import { chosen } from "./catalogue.ts";
import { commandAttacks, judgeCommand, startVictim } from "./commands.ts";
import { fileAttacks } from "./files.ts";
import { hostileAttacks } from "./hostile.ts";
import { Place } from "./place.ts";
import type { SuiteCase } from "../../suites/suite.ts";

await using place = await Place.open(new AbortController().signal);
using _victim = startVictim(place);
const cases: SuiteCase[] = [];
for (const attack of chosen(commandAttacks, process.argv)) {
  cases.push(await judgeCommand(place, attack));
}
for (const attack of chosen([...fileAttacks, ...hostileAttacks], process.argv)) {
  cases.push(await judgeAttack(place, attack));
}
process.stdout.write(`${JSON.stringify(cases)}\n`);
