/**
 * The end of a connection that brings no request: what is not HTTP, is too long or too slow. Node
 * bounds both (`limits.ts`) and hands the connection here.
 */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

const refusals: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};

/**
 * What is not HTTP, or too slow. A browser opens connections before it needs them: where nothing was
 * asked, nothing is answered, else it reads the refusal as the answer to its next request.
 */
export const refuseConnection = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  const nothingAsked = socket instanceof Socket && socket.bytesRead === 0;
  if (!socket.writable || nothingAsked) {
    socket.destroy();
    return;
  }
  const status = refusals[error.code ?? ""] ?? "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`);
};
