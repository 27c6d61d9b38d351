/**
 * The console's process: wiring only. It shows what the kernel says and carries what the person
 * does; it holds no key that approves, no file of the person, and has no network but the loopback
 * socket that it inherits.
 *
 * Descriptors: see `@ioi/host/process`. The page's port listens on 5, `Links` on 6.
 */
import net from "node:net";
import path from "node:path";
import { fromHex, InvariantError, type Log, OperationError, steadyWall, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { applyNotDumpable } from "@ioi/host/libc";
import { systemClock } from "@ioi/host/ports";
import {
  descriptors,
  dieOnBug,
  type KernelProcess,
  runKernelProcess,
  startMetrics,
} from "@ioi/host/process";
import { implement, serve } from "@ioi/host/rpc";
import { Cards, Console, Links as LinksService } from "@ioi/wire/console";
import { Cookies } from "./auth/cookies.ts";
import { Links } from "./auth/links.ts";
import { Browsers } from "./browsers.ts";
import { type Calls, callsOf } from "./http/connect.ts";
import { Events } from "./http/events.ts";
import { Pages, StaticFolder } from "./http/files.ts";
import { originOf, type Place } from "./http/guard.ts";
import { Site } from "./http/server.ts";
import { KernelSockets } from "./kernel.ts";
import { callMs } from "./limits.ts";
import { cardCalls } from "./service/cards.ts";
import { overviewCalls } from "./service/overview.ts";
import { Plans } from "./service/plans.ts";
import { policyCalls } from "./service/policy.ts";
import { receiptCalls } from "./service/receipts.ts";
import { registryCalls } from "./service/registry.ts";
import { beginPlan, sessionCalls } from "./service/sessions.ts";
import { Watch } from "./watch.ts";

interface Config {
  readonly dataFolder: string;
  readonly version: string;
  readonly port: number;
  readonly pages: string;
  readonly cookieKey: string;
}

const keyOf = (hex: string): Uint8Array => {
  const key = fromHex(hex);
  if (key?.length !== 32) throw new InvariantError("the key of cookies is not 32 bytes");
  return key;
};

/** The command line looks into `ioi-data` beside the program unless it is told. */
const defaultDataFolder = path.join(import.meta.dirname, "../../../ioi-data");

const dataOptionOf = (folder: string): string =>
  folder === defaultDataFolder ? "" : ` --data '${folder.replaceAll("'", `'\\''`)}'`;

const staticFolder = (name: string): StaticFolder =>
  new StaticFolder(path.join(import.meta.dirname, "../static", name));

/** Asks the launcher, which sees the sockets of the machine, whose a connection is. */
const ownCaller =
  (kernel: KernelSockets) =>
  async (callerPort: number): Promise<boolean> => {
    try {
      const launcher = await kernel.launcher();
      return (await launcher.pageCaller({ port: callerPort }, { deadlineMs: callMs })).own;
    } catch (error) {
      // Who cannot be asked about is not let in.
      if (error instanceof OperationError) return false;
      throw error;
    }
  };

const linksServiceOf = (links: Links, port: number) =>
  implement(LinksService, {
    makeLink: async ({ cards: onlyCards }) => {
      const place = onlyCards ? "approve" : "app";
      const { token, expiresMs } = links.make(place, toHex(nodeCrypto.randomBytes(16)));
      const url = `${originOf(place, port)}/open#${token}`;
      return { url, expiresMs: BigInt(Math.floor(expiresMs)) };
    },
  });

const wire = (config: Config, log: Log) => {
  const onBug = dieOnBug(log);
  const { port, version } = config;
  const nowMs = steadyWall(systemClock);
  const kernel = new KernelSockets(config.dataFolder);
  const links = new Links(nodeCrypto, nowMs);
  const cookies = new Cookies(nodeCrypto, keyOf(config.cookieKey), nowMs);
  const plans = new Plans();
  const browsers = new Browsers();
  const life = toHex(nodeCrypto.randomBytes(8));
  const events = new Events({ life, onReading: (reading) => watch.reading(reading) });
  const watch = new Watch({ kernel, events, plans, onBug });
  const onChange = (): void => watch.soon();
  const sessions = { kernel, plans, nowMs, onChange, onBug };
  const cards = (place: Place): Calls =>
    callsOf(
      Cards,
      cardCalls({
        kernel,
        plans,
        nowMs,
        origin: originOf(place, port),
        dataOption: dataOptionOf(config.dataFolder),
        begin: (plan) => beginPlan(sessions, plan),
        onChange,
        onDevice: (browser, device) => {
          if (browsers.setDevice(browser, device)) events.publish({ kind: "overview" });
        },
      }),
    );
  const site = new Site({
    port,
    links,
    cookies,
    events,
    onBug,
    isOwn: ownCaller(kernel),
    page: new Pages(config.pages),
    open: staticFolder("open"),
    approve: staticFolder("approve"),
    calls: {
      app: callsOf(Console, {
        ...sessionCalls(sessions),
        ...receiptCalls(kernel),
        ...policyCalls({
          kernel,
          deviceOf: (browser) => browsers.deviceOf(browser),
          onChange,
        }),
        ...registryCalls(kernel, () => events.publish({ kind: "overview" })),
        ...overviewCalls({
          kernel,
          version,
          port,
          links,
          plans,
          nowMs,
          deviceOf: (browser) => browsers.deviceOf(browser),
          dataOption: dataOptionOf(config.dataFolder),
        }),
      }),
      approve: cards("approve"),
      frame: cards("frame"),
    },
  });
  return { site, events, linksService: linksServiceOf(links, port), onBug };
};

const start = async (config: Config, log: Log): Promise<KernelProcess> => {
  applyNotDumpable();
  startMetrics("console");
  const { site, events, linksService, onBug } = wire(config, log);
  site.server().listen({ fd: descriptors.peer });
  net
    .createServer((socket) => {
      serve(socket, [linksService], { peer: "person", onBug });
    })
    .listen({ fd: descriptors.second });
  return {
    hello: () => ({ name: "console" }),
    drain: async () => {
      events.close();
    },
  };
};

await runKernelProcess<Config>("console", start);
