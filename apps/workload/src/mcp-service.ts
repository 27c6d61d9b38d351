/** `ioi.kernel.v1.McpGates`: clients of MCP servers, through the gate. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { gatesMax } from "./limits.ts";
import { type GateEnds, type GateEvent, type GateStart, McpGate } from "./mcp-gate.ts";

type EventMessage = MessageInitShape<typeof pb.GateEventSchema>;

const eventMessage = (event: GateEvent): EventMessage => {
  switch (event.type) {
    case "message":
      return { event: { case: "message", value: event.bytes } };
    case "notice": {
      const { kind, text, receipt = 0n, approval = "" } = event;
      return {
        event: { case: "notice", value: { kind, text, receipt, approval } },
      };
    }
    case "end": {
      const { code, message, errors } = event;
      return { event: { case: "end", value: { code, message, errors } } };
    }
  }
};

const onAskOf = (text: string): GateStart["onAsk"] => {
  if (text === "" || text === "deny") return "deny";
  if (text === "wait" || text === "elicit") return text;
  throw new OperationError(
    "E_SESSION_REQUEST",
    "a gate denies what asks, waits, or asks its client",
  );
};

export const mcpGatesService = (ends: GateEnds): Implementation => {
  const gates = new Map<string, McpGate>();
  async function* opened(
    request: pb.OpenGateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<EventMessage> {
    const { session, server, quiet } = request;
    const onAsk = onAskOf(request.onAsk);
    if (gates.has(session) || gates.size >= gatesMax) {
      throw new OperationError("E_SESSIONS_ACTIVE", `${gates.size} gates are open`);
    }
    const gate = new McpGate(ends, { session, server, onAsk, quiet });
    gates.set(session, gate);
    // A client that has gone, or was killed, hears nothing more: what waits for the next event wakes.
    const gone = (): void => gate.events.finish();
    signal.addEventListener("abort", gone, { once: true });
    try {
      await gate.open();
      for await (const event of gate.events) yield eventMessage(event);
    } finally {
      signal.removeEventListener("abort", gone);
      gates.delete(session);
      await gate.close();
    }
  }
  async function* fed(said: AsyncIterable<pb.GateFeed>): AsyncGenerator<object> {
    for await (const { session, message } of said) {
      const gate = gates.get(session);
      if (gate === undefined) throw new OperationError("E_MCP_GATE", "the gate is not open");
      await gate.feed(message);
    }
    yield {};
  }
  return implement(pb.McpGates, {
    openGate: (request, { signal }) => opened(request, signal),
    listGates: async () => ({ sessions: [...gates.keys()] }),
    stopGate: async ({ session }) => {
      await gates.get(session)?.stop();
      return {};
    },
    feedGate: fed,
  });
};
