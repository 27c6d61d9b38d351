/**
 * The verifier as one page: `@ioi/verifier`'s modules without imports and `static/page.ts`, put into a
 * document that asks the network for nothing. Its policy names the script and the style by their
 * hashes, so nothing else runs in it, and it can neither load nor send.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const verifier = path.dirname(fileURLToPath(import.meta.resolve("@ioi/verifier")));
const pageScript: string = path.join(import.meta.dirname, "../static/page.ts");
const pageStyle: string = path.join(import.meta.dirname, "../static/page.css");

/** In the order in which they need each other. */
const modules: readonly string[] = [
  path.join(verifier, "retrieval.ts"),
  path.join(verifier, "nearest.ts"),
  path.join(verifier, "strict-cbor.ts"),
  path.join(verifier, "recall.ts"),
  pageScript,
];

/** Of the package, the page needs what its last module gives. */
const imports = /^import \{([^}]*)\} from "(?:\.\/([\w-]+)\.ts|@ioi\/verifier)";$/gm;
const exported = /^export (const|class|function) (\w+)/gm;

/** One module as a function's result, what it imports taken from those before it. */
const wrap = (file: string): string => {
  const name = path.basename(file, ".ts").replaceAll("-", "_");
  const names: string[] = [];
  const code = stripTypeScriptTypes(readFileSync(file, "utf8"))
    .replaceAll(imports, (_all, taken: string, from = "recall") => {
      const list = taken.split(",").map((each) => each.trim());
      return `const { ${list.filter((each) => each !== "").join(", ")} } = ${from.replaceAll("-", "_")};`;
    })
    .replaceAll(exported, (_all, kind: string, each: string) => {
      names.push(each);
      return `${kind} ${each}`;
    });
  if (/^(?:import|export)\b/m.test(code)) throw new Error(`${file} cannot be put into a page`);
  return `const ${name} = (() => {\n${code}\nreturn { ${names.join(", ")} };\n})();\n`;
};

const hashOf = (text: string): string =>
  `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

export interface PageGiven {
  readonly proof?: Uint8Array | undefined;
  /** Hex. */
  readonly commit?: string | undefined;
  readonly root?: string | undefined;
  readonly indexRoot?: string | undefined;
}

const field = (id: string, label: string, hint: string, value = ""): string =>
  `<p><label for="${id}">${label}</label><br><input id="${id}" value="${escaped(value)}" ` +
  `size="68" maxlength="64" spellcheck="false" autocomplete="off" aria-describedby="${id}-hint">` +
  `<br><small id="${id}-hint">${hint}</small></p>`;

/** The whole document. */
export const verifierPage = ({ proof, commit, root, indexRoot }: PageGiven): string => {
  const script = `"use strict";\n${modules.map(wrap).join("")}`;
  const style = readFileSync(pageStyle, "utf8");
  const policy = `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; base-uri 'none'; form-action 'none'`;
  const embedded = proof === undefined ? "" : Buffer.from(proof).toString("base64");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Verify memories</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Verify memories</h1>
<p>This page checks here, without the network, that memories stand in a memory file, and that a search
returned what it is said to. It is worth as much as where you have it from: take the page and the hash
below from whom you trust, not together with the proof.</p>
<form id="form">
<p><label for="file">Proof${embedded === "" ? "" : " (one came with this page)"}</label><br><input id="file" type="file"></p>
${field("commit", "Hash of the commit", "64 hex digits. It covers the two roots below.", commit)}
${field("root", "Root of the log", "Instead of the commit's hash, or beside it.", root)}
${field("index-root", "Root of the index", "Needed beside the root of the log for the search to be checked.", indexRoot)}
${field("challenge", "Challenge", "64 hex digits, if you chose some for nodes to be drawn by.")}
<p><button type="submit">Verify</button></p>
</form>
<section id="result" role="status" aria-live="polite"></section>
</main>
<script type="application/octet-stream" id="proof">${embedded}</script>
<script>${script}</script>
</body>
</html>
`;
};
