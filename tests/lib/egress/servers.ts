/** Servers of the little world: what a canary counts, what a page answers, what waits. */
import { once } from "node:events";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { ProgramAuthority } from "@ioi/host/crypto";

export interface Canary extends AsyncDisposable {
  readonly port: number;
  connections: number;
}

/** Counts connections, and says nothing. */
export const canary = async (address: string, port = 0): Promise<Canary> => {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    counted.connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.end("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ncanary");
  });
  server.listen(port, address);
  await once(server, "listening");
  const counted: Canary = {
    port: (server.address() as net.AddressInfo).port,
    connections: 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return counted;
};

export interface Site extends AsyncDisposable {
  /** `METHOD host path`, of every request that came. */
  readonly requests: readonly string[];
  readonly authorizations: readonly (string | undefined)[];
  /** The next request to `/wait` has arrived. */
  arrived(): Promise<http.ServerResponse>;
}

export const brokenPage = "a page that breaks off, and goes on";

/** Half of the page and no more; the rest to who asks for it, where it is `/broken`. */
const breakOff = (request: http.IncomingMessage, response: http.ServerResponse): void => {
  const half = brokenPage.slice(0, 10);
  const headers = { etag: '"page"', "content-type": "text/plain" };
  if (request.headers.range === "bytes=10-" && request.url === "/broken") {
    const range = `bytes 10-${brokenPage.length - 1}/${brokenPage.length}`;
    response.writeHead(206, { ...headers, "content-range": range }).end(brokenPage.slice(10));
    return;
  }
  response.writeHead(200, { ...headers, "content-length": brokenPage.length });
  response.write(half, () => response.destroy());
};

/** Answers `/`, breaks off `/broken`, sends on from `/to?URL`, and keeps `/wait` waiting. */
export const site = async (
  address: string,
  port: number,
  secure?: { readonly cert: string; readonly key: string },
): Promise<Site> => {
  const requests: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const waiting: http.ServerResponse[] = [];
  const awaited: ((response: http.ServerResponse) => void)[] = [];
  const answer = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const { method, url = "/", headers } = request;
    requests.push(`${method} ${headers.host} ${url}`);
    authorizations.push(headers.authorization);
    if (url.startsWith("/to?")) {
      response.writeHead(302, { location: decodeURIComponent(url.slice(4)) }).end();
    } else if (url.startsWith("/wait")) {
      const take = awaited.shift();
      if (take === undefined) waiting.push(response);
      else take(response);
    } else if (url.startsWith("/broken")) breakOff(request, response);
    else response.end(`page of ${headers.host}\n`);
  };
  const server =
    secure === undefined ? http.createServer(answer) : https.createServer(secure, answer);
  server.listen(port, address);
  await once(server, "listening");
  return {
    requests,
    authorizations,
    arrived: () =>
      new Promise((resolve) => {
        const response = waiting.shift();
        if (response === undefined) awaited.push(resolve);
        else resolve(response);
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

/** A certificate for one name, and the authority that signed it. */
export const certificateFor = (
  name: string,
): { readonly cert: string; readonly key: string; readonly authority: string } => {
  const authority = new ProgramAuthority("world", [name]);
  const made = authority.credentialsFor(name);
  if (made === undefined) throw new Error(`no certificate for ${name}`);
  return { cert: made.certificate, key: made.privateKey, authority: authority.certificate };
};
