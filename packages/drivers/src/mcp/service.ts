/** `ioi.kernel.v1.McpDriver`: relays over the socket of the driver. */
import { type Handlers, type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { DisposableHandlers } from "../core/handlers.ts";
import type { McpDriver } from "./driver.ts";
import type { HeldMessage, Hold, RelayEvent } from "./relay-session.ts";

type Service = Handlers<typeof pb.McpDriver>;
type EventMessage = ReturnType<Service["open"]> extends AsyncIterable<infer Event> ? Event : never;
type SendReply = Awaited<ReturnType<Service["send"]>>;

const heldMessage = (held: HeldMessage): NonNullable<SendReply["held"]> => ({
  action: held.action,
  prepared: held.prepared,
  preparedSignature: held.preparedSignature,
  nonce: held.nonce,
  errorCode: held.errorCode,
  errorMessage: held.errorMessage,
  what: held.what,
});

const eventMessage = (event: RelayEvent): EventMessage => {
  switch (event.type) {
    case "message":
      return { event: { case: "message", value: event.bytes } };
    case "started":
      return { event: { case: "started", value: {} } };
    case "held":
      return { event: { case: "held", value: heldMessage(event.held) } };
    case "defined":
      return {
        event: {
          case: "defined",
          value: {
            serial: event.serial,
            tools: event.tools.map(({ name, hash, text }) => ({ name, hash, definition: text })),
          },
        },
      };
    case "dropped":
      return { event: { case: "droppedNonce", value: event.nonce } };
    case "fault":
      return { event: { case: "fault", value: event.text } };
    case "end": {
      const { code, message, errors } = event;
      return { event: { case: "end", value: { code, message, errors } } };
    }
  }
};

async function* relayed(
  driver: McpDriver,
  hold: Hold,
  server: string,
  signal: AbortSignal,
): AsyncGenerator<EventMessage> {
  const { id, session } = driver.openRelay(server, hold);
  // Who waits for the next event does not hear that nobody reads any more.
  const gone = (): void => void driver.closeRelay(id);
  signal.addEventListener("abort", gone, { once: true });
  try {
    yield { event: { case: "relay", value: id } };
    await session.start();
    for await (const event of session.events) yield eventMessage(event);
  } finally {
    signal.removeEventListener("abort", gone);
    await driver.closeRelay(id);
  }
}

export const mcpDriverService = (
  driver: McpDriver,
  handlers: Pick<DisposableHandlers, "hold" | "abort">,
): Implementation =>
  implement(pb.McpDriver, {
    open: ({ server }, { signal }) => relayed(driver, handlers.hold, server, signal),
    send: async ({ relay, message }) => {
      const held = driver.relay(relay).send(message);
      return held === undefined ? {} : { held: heldMessage(held) };
    },
    refuse: async ({ relay, nonce, text }, context) => {
      driver.relay(relay).refuse(nonce, text);
      await handlers.abort({ nonce }, context);
      return {};
    },
    again: async ({ relay, nonce }) => {
      const held = driver.relay(relay).again(nonce);
      return held === undefined ? {} : { held: heldMessage(held) };
    },
    ask: async ({ relay, nonce, text }) => {
      const { answer, client } = await driver.relay(relay).ask(nonce, text);
      return { answer, client };
    },
    offer: async ({ relay, serial, withheld, refusal }) => {
      driver.relay(relay).offer(serial, withheld, refusal);
      return {};
    },
  });
