/** The sandboxes under test: each kind's own profile over the folders of the scene. */
import { codeBinds } from "../code-binds.ts";
import { kindProfiles } from "../profiles.ts";
import type { SandboxBind, SandboxKind, SandboxSpec } from "../spec.ts";
import type { SceneFacts } from "./scene-facts.ts";

const masks = (facts: SceneFacts): readonly string[] => [
  facts.maskedFolder,
  facts.maskedFile,
  facts.maskedDeep,
];

/** What a kind is given, as the launcher gives it. */
const binds = (kind: SandboxKind, facts: SceneFacts): readonly SandboxBind[] => {
  switch (kind) {
    case "egress":
      return [];
    case "net":
    case "model":
    case "memory":
      return [{ path: facts.vault, access: "write" }];
    case "agent":
      return [{ path: facts.readOnly, access: "read" }];
    default:
      return [
        { path: facts.workspace, access: "write" },
        { path: facts.readOnly, access: "read" },
      ];
  }
};

const ownVault: ReadonlySet<SandboxKind> = new Set(["net", "model", "memory"]);

export const kindSpec = (kind: SandboxKind, facts: SceneFacts): SandboxSpec => ({
  name: `test-${kind}`,
  kind,
  ...kindProfiles[kind],
  binds: binds(kind, facts),
  masks: [...masks(facts), ...(ownVault.has(kind) ? [] : [facts.vault]), facts.hidden],
});

/** The folder that a kind sees: it starts there, and what listens there is in its reach. */
export const ownFolder = (kind: SandboxKind, facts: SceneFacts): string =>
  binds(kind, facts)[0]?.path ?? "/";

/** The driver that starts commands over an overlay; one mask is its own. */
export const driverSpec = (facts: SceneFacts): SandboxSpec => {
  const plain = kindSpec("exec", facts);
  return {
    ...plain,
    name: "test-driver",
    binds: [...plain.binds, { path: facts.vault, access: "write" }],
    masks: [facts.hidden],
  };
};

export const nestedSpec = (facts: SceneFacts): SandboxSpec => ({
  ...kindSpec("command", facts),
  name: "test-nested",
  masks: [...masks(facts), facts.vault],
  binds: [{ path: facts.readOnly, access: "read" }, ...codeBinds()],
  overlay: [{ lower: facts.workspace, upper: `${facts.vault}/up`, work: `${facts.vault}/work` }],
});
