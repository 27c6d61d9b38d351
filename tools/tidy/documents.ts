/** Generated documents are up to date, every error code is documented, every limit explained. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { catalogue, documents, limits } from "../lib/documents.ts";
import { readText } from "../lib/project.ts";
import { lineOf, sourcesOf, withoutComments } from "../lib/sources.ts";
import type { Finding, Step } from "../lib/steps.ts";

const checkDocuments = async (root: string): Promise<readonly Finding[]> =>
  (await documents(root)).flatMap(({ file, text }) => {
    const there = existsSync(join(root, file)) ? readText(root, file) : undefined;
    return there === text ? [] : [{ at: file, text: "is not what the code says: npm run gen" }];
  });

/** Codes in the code that no catalogue has, codes nobody raises, codes declared twice. */
const checkCodes = async (root: string): Promise<readonly Finding[]> => {
  const entries = await catalogue(root);
  const declared = new Map<string, string>();
  const findings: Finding[] = [];
  for (const { code, file } of entries) {
    const before = declared.get(code);
    if (before !== undefined) findings.push({ at: file, text: `${code} is also in ${before}` });
    declared.set(code, file);
  }
  const used = new Set<string>();
  for (const { file, text } of sourcesOf(root)) {
    if (!/^(packages|apps)\/[^/]+\/src\/|^tools\/bootstrap|^tests\/report\//.test(file)) continue;
    const code = withoutComments(text);
    const isCatalogue = /\/errors\.(ts|mjs)$/.test(file);
    for (const match of code.matchAll(/["'`[]?\b(E_[A-Z0-9_]*[A-Z0-9])\b(["'`\]])?/g)) {
      const name = match[1] ?? "";
      if (isCatalogue && match[2] === undefined) continue;
      used.add(name);
      if (!declared.has(name) && match[2] !== undefined) {
        findings.push({
          at: `${file}:${lineOf(code, match.index)}`,
          text: `${name} is in no catalogue`,
        });
      }
    }
  }
  const unused = [...declared]
    .filter(([code]) => !used.has(code))
    .map(([code, file]) => ({ at: file, text: `nothing raises ${code}` }));
  return [...findings, ...unused];
};

const checkLimits = async (root: string): Promise<readonly Finding[]> =>
  (await limits(root))
    .filter(({ text }) => text === undefined || text === "")
    .map(({ file, name }) => ({ at: file, text: `${name} has no doc comment` }));

export const documentsStep = (root: string): Step => ({
  name: "documents",
  run: async () => [
    ...(await checkDocuments(root)),
    ...(await checkCodes(root)),
    ...(await checkLimits(root)),
  ],
});
