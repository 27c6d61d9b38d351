/**
 * Who listens on this machine, for those that cannot look: egress before it asks a confirmed model,
 * and the page when a person confirms one. The launcher alone sees other processes.
 */
import type { ChildProcess } from "node:child_process";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { readModelUrl } from "@ioi/firewall";
import { discoverModels } from "@ioi/host/models";
import { acceptorOf, listenerOf } from "@ioi/host/proc";
import type { pb } from "@ioi/wire";

interface Question {
  readonly type: "listener";
  readonly id: number;
  readonly port: number;
  /** Of a connection whose other end is asked for; absent: who listens. */
  readonly caller?: number;
}

const isPort = (port: unknown): port is number =>
  typeof port === "number" && Number.isSafeInteger(port) && port >= 1 && port <= 65_535;

const isQuestion = (message: unknown): message is Question => {
  const { type, id, port, caller } = (message ?? {}) as Readonly<Record<string, unknown>>;
  const ports = isPort(port) && (caller === undefined || isPort(caller));
  return type === "listener" && Number.isSafeInteger(id) && ports;
};

/** Answers egress over the channel that hands it its sockets. */
export const answerListeners = (egress: ChildProcess): void => {
  egress.on("message", (message: unknown) => {
    if (!isQuestion(message)) return;
    const { id, port, caller } = message;
    const found = caller === undefined ? listenerOf(port) : acceptorOf(port, caller);
    const answer = found === "waiting" ? { waiting: true } : found;
    egress.send({ type: "listener", id, ...answer }, () => undefined);
  });
};

/** What `FindModels` answers: the person is looking. */
export const findModels = async (
  url: string,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof pb.FindModelsReplySchema>> => {
  if (url !== "") {
    const read = readModelUrl(url);
    const listener =
      read.ok && read.value.place === "loopback" ? listenerOf(read.value.port) : undefined;
    return listener === undefined
      ? { listens: false }
      : { listens: true, ownerUid: listener.uid, program: listener.program };
  }
  const found = await discoverModels(process.env, signal);
  return {
    models: found.map((each) => ({
      id: each.id,
      protocol: "openai",
      url: each.url,
      name: each.name,
      contextTokens: each.contextTokens,
      ownerKnown: true,
      ownerUid: each.ownerUid,
      program: each.program,
      loopback: true,
    })),
  };
};
