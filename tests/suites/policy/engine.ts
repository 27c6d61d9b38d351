/** Generated policies and situations as the engine takes them. */
import { createHash } from "node:crypto";
import { InvariantError } from "@ioi/base";
import { actionId } from "@ioi/crypto";
import {
  type CompiledPolicy,
  compilePolicy,
  type DecisionContext,
  type Grant,
  type TaskScope,
} from "@ioi/firewall";
import { action as actionSchema, schema } from "@ioi/wire";
import { type ModelTask, type Pair, type Policy, toToml } from "./model.ts";

export const hashing = {
  sha256: (bytes: Uint8Array): Uint8Array =>
    new Uint8Array(createHash("sha256").update(bytes).digest()),
};

const compiledFrom = (policy: Policy): ReturnType<typeof compilePolicy> =>
  compilePolicy(
    policy.sources.map((source) => ({
      tier: source.tier,
      file: `${source.tier}.toml`,
      text: toToml(policy, source),
    })),
    hashing,
  );

export const compile = (policy: Policy): CompiledPolicy => {
  const compiled = compiledFrom(policy);
  if (compiled.ok) return compiled.value;
  throw new InvariantError(`a generated policy does not load: ${JSON.stringify(compiled.error)}`);
};

const other = new Uint8Array(32).fill(7);

export const contextOf = (
  policy: CompiledPolicy,
  { action, situation }: Pair,
): DecisionContext => ({
  session: {
    session: "s",
    agent: "generator",
    words: [],
    headless: situation.headless,
    home: situation.home,
    roots: situation.roots,
    productFolders: situation.productFolders,
    ...(situation.task?.limits === true ? { task: taskOf(situation.task) } : {}),
  },
  exceededBudgets: situation.exceeded,
  unavailable: situation.unavailable,
  grants: [...directGrants(policy, action, situation), ...taskGrants(policy, situation)],
});

const taskOf = ({ groups, folders }: ModelTask): TaskScope => ({ groups, folders, sites: [] });

const taskGrants = (policy: CompiledPolicy, { task }: Pair["situation"]): readonly Grant[] =>
  task?.grants === true
    ? [
        {
          id: "task",
          session: "s",
          scope: "task",
          target: "",
          task: taskOf(task),
          discharges: [{ kind: "default", id: "default" }],
          policyHash: task.samePolicy ? policy.hash : other,
          expiresMs: 0,
        },
      ]
    : [];

const directGrants = (
  policy: CompiledPolicy,
  action: Pair["action"],
  situation: Pair["situation"],
): readonly Grant[] =>
  situation.grants.map((grant) => ({
    id: grant.id,
    session: grant.session,
    scope: grant.scope,
    target: grant.target,
    discharges: grant.discharges,
    policyHash: grant.samePolicy ? policy.hash : other,
    expiresMs: 0,
    ...(grant.scope === "once"
      ? {
          actionId: grant.sameAction
            ? actionId(hashing, schema.encode(actionSchema, action))
            : other,
        }
      : {}),
  }));

/** Undefined where an edit made it one that does not load. */
export const compiledIfAny = (policy: Policy): CompiledPolicy | undefined => {
  const compiled = compiledFrom(policy);
  return compiled.ok ? compiled.value : undefined;
};
