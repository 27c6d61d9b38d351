/**
 * What keeps a connection to a server: its start, and the messages of the protocol that go to a server
 * elsewhere, each a request of its own. Each is an action with receipts. The person confirmed the
 * server; that discharges the questions whether it is called at all, and nothing else: rules that
 * refuse or ask hold for them too.
 */
import { type CompiledPolicy, type Grant, isKeeping, undescribed } from "@ioi/firewall";
import type { Action } from "@ioi/wire";

/** How long a grant that is made for one decision lives, in milliseconds. */
const lifeMs = 1_000;

export const housekeepingGrants = (
  { target, args }: Action,
  id: Uint8Array,
  session: string,
  policy: CompiledPolicy,
  nowMs: number,
): readonly Grant[] => {
  const { tool, server } = target === "mcp::call" ? args : {};
  if (typeof tool !== "string" || typeof server !== "string" || !isKeeping(tool)) return [];
  return [
    {
      id: "builtin:mcp-connection",
      session,
      scope: "once",
      actionId: id,
      target,
      discharges: [
        { kind: "default", id: "default" },
        { kind: "default", id: `${server}/${tool}` },
        { kind: "task", id: "mcp::call" },
        { kind: "tool", id: undescribed },
      ],
      policyHash: policy.hash,
      expiresMs: nowMs + lifeMs,
    },
  ];
};
