/**
 * The tables of `src/words/unicode.gen.ts`, made again from the platform's Unicode data. They are in the
 * repository because an index is committed: another version of Unicode would be another index.
 */
const codePoints = 0x110000;

/** Word characters as base-36 pairs: characters to skip, characters to take. */
export const wordTable = (): string => {
  const pairs: string[] = [];
  let [end, start] = [0, -1];
  for (let code = 0; code <= codePoints; code++) {
    const isWord =
      code < codePoints && /^[\p{L}\p{M}\p{Nd}\p{Nl}\p{No}]$/u.test(String.fromCodePoint(code));
    if (isWord && start < 0) start = code;
    if (!isWord && start >= 0) {
      pairs.push(`${(start - end).toString(36)}.${(code - start).toString(36)}`);
      end = code;
      start = -1;
    }
  }
  return pairs.join(" ");
};

/** Lower case as base-36 runs: first, how many, step from one to the next, what is added. */
export const lowerTable = (): string => {
  const all: { code: number; added: number }[] = [];
  for (let code = 0; code < codePoints; code++) {
    const char = String.fromCodePoint(code);
    const lower = char.toLowerCase();
    const to = lower.codePointAt(0) ?? code;
    if (to !== code) all.push({ code, added: to - code });
  }
  const runs: { first: number; count: number; step: number; added: number }[] = [];
  for (const { code, added } of all) {
    const last = runs.at(-1);
    const gap = last === undefined ? 0 : code - (last.first + (last.count - 1) * last.step);
    if (last?.added === added && last.count === 1 && gap <= 2) {
      last.count = 2;
      last.step = gap;
    } else if (last?.added === added && last.count > 1 && gap === last.step) last.count += 1;
    else runs.push({ first: code, count: 1, step: 1, added });
  }
  return runs
    .map((run) => [run.first, run.count, run.step, run.added].map((n) => n.toString(36)).join("."))
    .join(" ");
};

export const tablesFile = (version: string): string => `/**
 * What Unicode ${version} says of characters, made by \`IOI_APPROVE=1 node --test packages/scs/test/words.test.ts\`.
 * Words: base-36 pairs of characters to skip and to take. Lower case: runs of first, count, step, added.
 */
export const unicodeVersion = "${version}";

export const wordTable =
  "${wordTable()}";

export const lowerTable =
  "${lowerTable()}";
`;
