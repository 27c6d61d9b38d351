/** Listening on a wanted port, or on the next free one. */
import type net from "node:net";
import { OperationError } from "@ioi/base";
import { connectionsMax, portsTriedMax } from "./limits.ts";

const tryListen = (server: net.Server, host: string, port: number): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      if (error.code === "EADDRINUSE" || error.code === "EACCES") resolve(undefined);
      else reject(error);
    };
    server.once("error", onError);
    server.listen(port, host, () => {
      server.off("error", onError);
      resolve((server.address() as net.AddressInfo).port);
    });
  });

/** Returns the port that was bound. */
export const listenNear = async (
  server: net.Server,
  host: string,
  port: number,
): Promise<number> => {
  server.maxConnections = connectionsMax;
  for (let wanted = port; wanted < port + portsTriedMax && wanted <= 65_535; wanted++) {
    const bound = await tryListen(server, host, wanted);
    if (bound !== undefined) return bound;
    if (port === 0) break;
  }
  throw new OperationError("E_PORT_BUSY", `no port from ${port} on is free`);
};
