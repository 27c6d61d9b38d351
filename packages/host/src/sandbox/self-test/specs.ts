/** The sandboxes under test: each kind's own profile over the folders of the scene. */
import { codeBinds } from "../code-binds.ts";
import { kindProfiles } from "../profiles.ts";
import type { SandboxKind, SandboxSpec } from "../spec.ts";
import type { SceneFacts } from "./scene-facts.ts";

const masks = (facts: SceneFacts): readonly string[] => [
  facts.maskedFolder,
  facts.maskedFile,
  facts.maskedDeep,
];

export const kindSpec = (kind: SandboxKind, facts: SceneFacts): SandboxSpec => ({
  name: `test-${kind}`,
  kind,
  ...kindProfiles[kind],
  binds: [
    { path: facts.workspace, access: "write" },
    { path: facts.readOnly, access: "read" },
  ],
  masks: masks(facts),
});

/**
 * The driver that starts commands over an overlay: it is ours, so the masks stand in the command's
 * sandbox; the kernel refuses an overlay over a folder that has mounts below it.
 */
export const driverSpec = (facts: SceneFacts): SandboxSpec => {
  const plain = kindSpec("exec", facts);
  return {
    ...plain,
    name: "test-driver",
    binds: [...plain.binds, { path: facts.vault, access: "write" }],
    masks: [],
  };
};

export const nestedSpec = (facts: SceneFacts): SandboxSpec => ({
  ...kindSpec("command", facts),
  name: "test-nested",
  binds: [{ path: facts.readOnly, access: "read" }, ...codeBinds()],
  overlay: [{ lower: facts.workspace, upper: `${facts.vault}/up`, work: `${facts.vault}/work` }],
});
