/** Drivers over the session's folders; what a former instance left is settled first. */
import { EffectEngine } from "../effects/engine.ts";
import { unfinished } from "../effects/settle.ts";
import { Roots } from "../fs/roots.ts";
import { Vault } from "../vault/vault.ts";
import type { Driver } from "./driver.ts";
import type { StartInput } from "./start.ts";

export const openFolders = async (
  { profile, vault }: StartInput,
  kind: "files" | "exec",
): Promise<Driver> => {
  const engine = new EffectEngine({
    roots: new Roots(profile),
    vault: new Vault(vault, kind),
    wallMs: () => Date.now(),
  });
  const driver =
    kind === "files"
      ? new (await import("../files/driver.ts")).FilesDriver(engine)
      : new (await import("../exec/driver.ts")).ExecDriver(engine, profile);
  for (const counter of unfinished(engine)) await driver.settle(counter);
  return driver;
};
