/**
 * Builds the kernels of the index from their sources beside this file into `../src/kernel/wasm.gen.ts`,
 * or with `--check` builds them and compares. The compiler is installed here and is part of nothing else:
 *
 *   pnpm install --ignore-workspace --frozen-lockfile && node build.mjs --check
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dirname;
const target = join(here, "../src/kernel/wasm.gen.ts");
const compiler = join(here, "node_modules/assemblyscript/bin/asc.js");
const source = (name) => readFileSync(join(here, `${name}.as.txt`), "utf8");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const compile = (folder, variant) => {
  const [input, output] = [join(folder, `${variant}.ts`), join(folder, `${variant}.wasm`)];
  writeFileSync(input, source(variant) + source("mhnsw"));
  const flags = ["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd,relaxed-simd,threads"];
  const memory = ["--importMemory", "--sharedMemory", "--maximumMemory", "65536"];
  execFileSync(process.execPath, [compiler, input, ...flags, ...memory, "-o", output], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return readFileSync(output);
};

const folder = mkdtempSync(join(tmpdir(), "ioi-kernel-"));
try {
  const lines = ["simd", "relaxed"].flatMap((variant) => {
    const wasm = compile(folder, variant);
    return [
      `/** SHA-256 ${sha256(wasm)} */`,
      `export const ${variant}: string =`,
      `  "${wasm.toString("base64")}";`,
    ];
  });
  const sources = sha256(["simd", "relaxed", "mhnsw"].map(source).join("\0"));
  const text = [
    "/** Made by `kernel/build.mjs` from the sources beside it; a test compares their hash. */",
    "",
    "/** SHA-256 of the sources. */",
    `export const sources = "${sources}";`,
    ...lines,
    "",
  ].join("\n");
  if (!process.argv.includes("--check")) writeFileSync(target, text);
  else if (readFileSync(target, "utf8") !== text) {
    process.stderr.write("the kernels are not what their sources make\n");
    process.exitCode = 6;
  } else process.stdout.write("the kernels are what their sources make\n");
} finally {
  rmSync(folder, { recursive: true });
}
