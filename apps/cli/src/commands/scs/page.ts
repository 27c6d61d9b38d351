/**
 * The verifier as a page with a proof in it, as `ioi-verify` makes it: that program is openly licensed,
 * and whoever gets the page may pass it on. No root is put in: it is to be had elsewhere.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { OperationError } from "@ioi/base";
import { projectRoot } from "../../program.ts";

const program = resolve(projectRoot, "apps/verify/src/main.ts");

/** Before anything is written: a page must not be there. */
export const checkPage = (page: string): void => {
  if (existsSync(page)) {
    throw new OperationError("E_CLI_OUT", `${page} is not written: a file is there already`);
  }
};

/** Writes the page; what the program says on standard error is `error: WHY. Next: NEXT`. */
export const writePage = (page: string, proof: string): void => {
  const args = ["--disable-warning=ExperimentalWarning", program, "page", page, "--proof", proof];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status === 0) return;
  const [why = "", next] = stderr
    .trim()
    .replace(/^error: /, "")
    .split(". Next: ");
  throw new OperationError("E_CLI_OUT", why, next === undefined ? {} : { next });
};
