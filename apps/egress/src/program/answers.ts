/** What a program is told that does not get through, in the tongue that it spoke. */
import type { Socket } from "node:net";
import { lingerMs } from "../limits.ts";
import { type SocksCode, socksAnswer, socksReply } from "./socks.ts";

const phrases: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  408: "Request Timeout",
  413: "Content Too Large",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
  502: "Bad Gateway",
  504: "Gateway Timeout",
};

/** Says its last and leaves; who does not take it is left all the same. */
export const endWith = (socket: Socket, bytes: Buffer | string): void => {
  socket.end(bytes);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
};

/** One line for a person, whatever stood in it. */
const oneLine = (text: string): string => text.replace(/[^\x20-\x7e]+/g, " ").slice(0, 500);

export const httpAnswer = (socket: Socket, status: number, message: string): void => {
  const body = `ioi: ${oneLine(message)}\n`;
  endWith(
    socket,
    `HTTP/1.1 ${status} ${phrases[status] ?? "Error"}\r\ncontent-type: text/plain\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
};

/** To who waits to be told before it sends a body. */
export const goOn = "HTTP/1.1 100 Continue\r\n\r\n";
export const tunnelOpened = "HTTP/1.1 200 Connection established\r\n\r\n";

export const socksEnd = (socket: Socket, code: SocksCode): void => {
  endWith(socket, socksAnswer(code));
};

/** By the code of what went wrong on the way out. */
export const statusOf = (code: string): number =>
  code === "E_EGRESS_ADDRESS" ? 403 : code === "E_EGRESS_TIMEOUT" ? 504 : 502;

export const socksCodeOf = (code: string): SocksCode => {
  if (code === "E_EGRESS_ADDRESS") return socksReply.notAllowed;
  return code === "E_EGRESS_NAME" ? socksReply.hostUnreachable : socksReply.refused;
};
