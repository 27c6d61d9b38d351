/**
 * `/healthz`, `/readyz` and `/metrics` on a loopback port of its own. Host is checked, so that a
 * page of another origin cannot read it by rebinding a name.
 */
import http from "node:http";
import type net from "node:net";
import { mergeMetrics, metricsText } from "@ioi/host/process";
import { listenNear } from "./listen.ts";

const hostAllowed = (host: string | undefined, port: number): boolean =>
  [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host ?? "");

/** Returns where it listens, as host:port. */
export const listenHttp = async (options: {
  readonly host: string;
  readonly ready: () => boolean;
  /** The series of the other processes. */
  readonly others: () => Promise<string>;
}): Promise<string> => {
  const server = http.createServer(
    { requestTimeout: 5000, maxHeaderSize: 8192 },
    (request, response) => {
      const { port } = server.address() as net.AddressInfo;
      const answer = (status: number, type: string, body: string): void => {
        response.writeHead(status, {
          "content-type": type,
          "cache-control": "no-store",
          "x-content-type-options": "nosniff",
        });
        response.end(body);
      };
      const text = "text/plain; charset=utf-8";
      if (!hostAllowed(request.headers.host, port)) answer(421, text, "misdirected\n");
      else if (request.method !== "GET") answer(405, text, "method not allowed\n");
      else if (request.url === "/healthz") answer(200, text, "ok\n");
      else if (request.url === "/readyz") {
        answer(options.ready() ? 200 : 503, text, options.ready() ? "ready\n" : "not ready\n");
      } else if (request.url === "/metrics") {
        Promise.all([metricsText(), options.others()]).then(
          (texts) => answer(200, "text/plain; version=0.0.4; charset=utf-8", mergeMetrics(texts)),
          () => answer(500, text, "metrics failed\n"),
        );
      } else answer(404, text, "not found\n");
    },
  );
  const port = await listenNear(server, options.host, 0);
  return `${options.host}:${port}`;
};
