/** Relative links of the documents: the file is there, and so is the heading. */
import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { filesOf, readText } from "../lib/project.ts";
import type { Finding, Step } from "../lib/steps.ts";

/** The anchor that a heading gets on the common forges. */
export const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replaceAll(/[`*_]/g, (mark) => (mark === "_" ? "_" : ""))
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

const anchorsOf = (text: string): ReadonlySet<string> =>
  new Set([...text.matchAll(/^#{1,6} (.+)$/gm)].map((match) => anchorOf(match[1] ?? "")));

const withoutFences = (text: string): string =>
  text.replaceAll(/^```[\s\S]*?^```/gm, (block) => block.replaceAll(/[^\n]/g, ""));

const checkDocument = (root: string, file: string): readonly Finding[] => {
  const text = withoutFences(readText(root, file));
  return text.split("\n").flatMap((line, index) =>
    [...line.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].flatMap((match): readonly Finding[] => {
      const target = match[1] ?? "";
      if (/^[a-z]+:/.test(target)) return [];
      const [path = "", anchor] = target.split("#");
      const full = path === "" ? file : normalize(join(dirname(file), path));
      const at = `${file}:${index + 1}`;
      if (!existsSync(join(root, full))) return [{ at, text: `broken link ${target}` }];
      if (anchor === undefined || !full.endsWith(".md")) return [];
      const there = anchorsOf(withoutFences(readText(root, full))).has(anchor);
      return there ? [] : [{ at, text: `no heading ${anchor} in ${full}` }];
    }),
  );
};

export const linksStep = (root: string): Step => ({
  name: "links",
  run: () =>
    Promise.resolve(
      filesOf(root)
        .filter((file) => file.endsWith(".md"))
        .flatMap((file) => checkDocument(root, file)),
    ),
});
