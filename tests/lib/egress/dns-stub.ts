/**
 * A name server that answers as told and remembers every name that it was asked for. Source: RFC
 * 1035, one question, A records; whatever else is asked gets an empty answer.
 */
import dgram from "node:dgram";
import { once } from "node:events";

/** Addresses of a name at its n-th question, counted from 0; undefined: there is no such name. */
export type Zone = (name: string, nth: number) => readonly string[] | undefined;

const typeA = 1;

interface Question {
  readonly name: string;
  readonly type: number;
  /** Where the question ends. */
  readonly end: number;
}

const questionOf = (packet: Buffer): Question => {
  const labels: string[] = [];
  let at = 12;
  for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
    labels.push(packet.subarray(at + 1, at + 1 + length).toString("latin1"));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: packet.readUInt16BE(at + 1), end: at + 5 };
};

const recordOf = (address: string): Buffer => {
  const record = Buffer.alloc(16);
  // A pointer to the question's name, then type, class, time to live, length.
  record.writeUInt16BE(0xc00c, 0);
  record.writeUInt16BE(typeA, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(0, 6);
  record.writeUInt16BE(4, 10);
  for (const [at, part] of address.split(".").entries()) record[12 + at] = Number(part);
  return record;
};

const answerTo = (packet: Buffer, question: Question, found: readonly string[] | undefined) => {
  const records = question.type === typeA ? (found ?? []).map(recordOf) : [];
  const head = Buffer.from(packet.subarray(0, question.end));
  head.writeUInt16BE(found === undefined ? 0x8183 : 0x8180, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  return Buffer.concat([head, ...records]);
};

export interface DnsStub extends AsyncDisposable {
  /** `address:port`. */
  readonly address: string;
  /** Names in the order in which their addresses were asked for. */
  readonly asked: readonly string[];
}

export const dnsStub = async (zone: Zone): Promise<DnsStub> => {
  const asked: string[] = [];
  const socket = dgram.createSocket("udp4");
  socket.on("message", (packet, from) => {
    const question = questionOf(packet);
    const nth = asked.filter((name) => name === question.name).length;
    if (question.type === typeA) asked.push(question.name);
    socket.send(answerTo(packet, question, zone(question.name, nth)), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      socket.close();
    },
  };
};
