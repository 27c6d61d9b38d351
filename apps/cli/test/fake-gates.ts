/** `McpGates` of a kernel that opens none: which are open, and that they are stopped. */
import { OperationError } from "@ioi/base";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

const none = (): never => {
  throw new OperationError("E_MCP_GATE", "no gate is opened here");
};

/** `gates`: sessions of those that are open; `calls`: what was asked for. */
export const fakeGates = (gates: Set<string>, calls: string[]): Implementation =>
  implement(pb.McpGates, {
    openGate: none,
    feedGate: none,
    listGates: async () => ({ sessions: [...gates] }),
    stopGate: async ({ session }) => {
      calls.push(`stop gate ${session}`);
      gates.delete(session);
      return {};
    },
  });
