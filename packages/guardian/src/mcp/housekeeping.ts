/**
 * Messages of the protocol that keep a connection to a server elsewhere: each is a request of its
 * own, so each is an action with receipts. The person confirmed the server; that discharges the
 * default question for them, and nothing else: rules that refuse or ask hold for them too.
 */
import type { CompiledPolicy, Grant } from "@ioi/firewall";
import type { Action } from "@ioi/wire";

const kept: ReadonlySet<string> = new Set([
  "#initialize",
  "#ping",
  "#server/discover",
  "#tools/list",
  "#resources/list",
  "#resources/templates/list",
  "#resources/subscribe",
  "#resources/unsubscribe",
  "#subscriptions/listen",
  "#prompts/list",
  "#logging/setLevel",
  "#tasks/get",
  "#tasks/list",
  "#tasks/result",
  "#tasks/cancel",
  "#notifications/initialized",
  "#notifications/cancelled",
  "#notifications/progress",
  "#notifications/roots/list_changed",
  // The client's answer to a question of the server that was permitted before, or a refusal of one.
  "#answer",
]);

/** How long a grant that is made for one decision lives, in milliseconds. */
const lifeMs = 1_000;

export const housekeepingGrants = (
  { target, args }: Action,
  session: string,
  policy: CompiledPolicy,
  nowMs: number,
): readonly Grant[] => {
  const tool = target === "mcp::call" ? args["tool"] : undefined;
  if (typeof tool !== "string" || !kept.has(tool)) return [];
  return [
    {
      id: "builtin:mcp-connection",
      session,
      scope: "session",
      target,
      discharges: [
        { kind: "default", id: "default" },
        { kind: "task", id: "mcp::call" },
      ],
      policyHash: policy.hash,
      expiresMs: nowMs + lifeMs,
    },
  ];
};
