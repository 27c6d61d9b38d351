/** Attacks on the walls of the HTTP surface, asked byte by byte without a browser. */
import { execFile } from "node:child_process";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answered, type Asked, makeLink, PageClient } from "../../lib/page-client.ts";
import type { Attack, Tried } from "./attack.ts";
import { type Ground, within } from "./ground.ts";

const overview: Asked = { method: "POST", path: "/ioi.console.v1.Console/Overview", body: "{}" };

/** The attack gets `status`, the same done rightly 200. */
const walled = async (
  { page }: Ground,
  attack: Asked,
  rightly: Asked,
  ...statuses: readonly number[]
): Promise<Tried> => {
  const tried = await page.ask(attack);
  const control = await page.ask(rightly);
  const leaks = tried.text.includes("policyHash");
  return {
    expected: `${statuses.join(" or ")} and nothing of the kernel`,
    refused: statuses.includes(tried.status) && !leaks,
    actual: `${tried.status} ${tried.text.slice(0, 120)}; rightly ${control.status}`,
    control: control.status === 200,
  };
};

const withHeaders = (
  id: string,
  headers: Readonly<Record<string, string>>,
  ...statuses: readonly number[]
): Attack<Ground> => ({
  id,
  run: (ground) => walled(ground, { ...overview, headers }, overview, ...statuses),
});

const hostAttacks = (
  [
    ["foreign-host", "evil.example"],
    ["rebinding-host", "attacker.example"],
    ["host-by-address", "127.0.0.1"],
    ["host-localhost", "localhost"],
    ["host-with-a-dot", "app.localhost."],
    ["host-below", "evil.app.localhost"],
  ] as const
).map(([id, name]): Attack<Ground> => ({
  id,
  run: (ground) => {
    const host = `${name}:${ground.page.port}`;
    const headers = { host, origin: `http://${host}` };
    return walled(ground, { ...overview, headers }, overview, 421);
  },
}));

const redeeming = async (ground: Ground, place: "app" | "frame", token: string): Promise<number> =>
  await new PageClient(ground.page.port).redeem(place, token);

const tokenAttacks: readonly Attack<Ground>[] = [
  {
    id: "token-reuse",
    run: async (ground) => {
      const token = (await makeLink(ground.data)).hash.slice(1);
      const first = await redeeming(ground, "app", token);
      const second = await redeeming(ground, "app", token);
      const refused = second === 403;
      const actual = `first ${first}, second ${second}`;
      return { expected: "403 the second time", refused, actual, control: first === 200 };
    },
  },
  {
    id: "token-of-another-place",
    run: async (ground) => {
      const token = (await makeLink(ground.data)).hash.slice(1);
      const elsewhere = await redeeming(ground, "frame", token);
      const other = (await makeLink(ground.data)).hash.slice(1);
      const control = (await redeeming(ground, "app", other)) === 200;
      const actual = `at the approval page ${elsewhere}`;
      return { expected: "403", refused: elsewhere === 403, actual, control };
    },
  },
  {
    id: "token-guessed",
    run: async (ground) => {
      const real = (await makeLink(ground.data)).hash.slice(1);
      const guesses = ["", "A".repeat(43), real.slice(1), `${real}A`, "../../x"];
      const statuses: number[] = [];
      for (const guess of guesses) statuses.push(await redeeming(ground, "app", guess));
      const control = (await redeeming(ground, "app", real)) === 200;
      const refused = statuses.every((status) => status === 403);
      return { expected: "403 each", refused, actual: statuses.join(" "), control };
    },
  },
];

/** Waits the minute out: for the whole run only. The tests of the console have a clock of their own. */
export const lateToken: Attack<Ground> = {
  id: "token-late",
  run: async (ground) => {
    const [early, late] = [await makeLink(ground.data), await makeLink(ground.data)];
    const inTime = await redeeming(ground, "app", early.hash.slice(1));
    await sleep(61_000);
    const after = await redeeming(ground, "app", late.hash.slice(1));
    const actual = `at once ${inTime}, after a minute ${after}`;
    return {
      expected: "403 after a minute",
      refused: after === 403,
      actual,
      control: inTime === 200,
    };
  },
};

const cookieAttacks: readonly Attack<Ground>[] = [
  withHeaders("no-cookie", { cookie: "" }, 401),
  {
    id: "no-cookie-events",
    run: async ({ page }) => {
      const { status } = await page.ask({ path: "/events", headers: { cookie: "" } });
      const control = (await page.ask(overview)).status === 200;
      return { expected: "401", refused: status === 401, actual: String(status), control };
    },
  },
  {
    id: "cookie-of-another-origin",
    run: (ground) => {
      const { page } = ground;
      const stolen = page.cookie("app").replace("ioi-app=", "ioi-frame=");
      const cards: Asked = {
        method: "POST",
        place: "frame",
        path: "/ioi.console.v1.Cards/ListCards",
        body: "{}",
      };
      return walled(ground, { ...cards, headers: { cookie: stolen } }, cards, 401);
    },
  },
  {
    id: "cookie-forged",
    run: (ground) => {
      const [name = "", value = ""] = ground.page.cookie("app").split("=");
      const [, issued = "", mac = ""] = value.split(".");
      const cookie = `${name}=${"0".repeat(32)}.${issued}.${mac}`;
      return walled(ground, { ...overview, headers: { cookie } }, overview, 401);
    },
  },
  {
    id: "cookie-doubled",
    run: (ground) => {
      const own = ground.page.cookie("app");
      const cookie = `ioi-app=x; ${own}`;
      return walled(ground, { ...overview, headers: { cookie } }, overview, 401);
    },
  },
];

const evil = "http://evil.example";

const originAttacks: readonly Attack<Ground>[] = [
  withHeaders("foreign-origin", { origin: evil }, 403),
  withHeaders("null-origin", { origin: "null" }, 403),
  withHeaders("no-origin", { origin: "" }, 403),
  withHeaders("cross-site-fetch", { "sec-fetch-site": "cross-site" }, 403),
  withHeaders("same-site-fetch", { "sec-fetch-site": "same-site" }, 403),
  withHeaders(
    "csrf-form",
    { origin: evil, "content-type": "application/x-www-form-urlencoded" },
    403,
  ),
  withHeaders("csrf-text", { origin: "", "content-type": "text/plain" }, 403),
  withHeaders("own-origin-as-a-form", { "content-type": "text/plain" }, 415),
  withHeaders("without-the-protocol", { "connect-protocol-version": "" }, 400),
  {
    id: "approval-page-asks-the-page",
    run: (ground) => {
      const headers = { origin: ground.page.origin("frame"), "sec-fetch-site": "same-site" };
      return walled(ground, { ...overview, headers }, overview, 403);
    },
  },
  {
    id: "page-asks-the-approval-page",
    run: (ground) => {
      const cards: Asked = {
        method: "POST",
        place: "frame",
        path: "/ioi.console.v1.Cards/ListCards",
        body: "{}",
      };
      const headers = { origin: ground.page.origin("app"), "sec-fetch-site": "same-site" };
      return walled(ground, { ...cards, headers }, cards, 403);
    },
  },
  {
    id: "cards-at-the-page",
    run: (ground) =>
      walled(ground, { ...overview, path: "/ioi.console.v1.Cards/Decide" }, overview, 501),
  },
  {
    id: "kernel-through-the-page",
    run: (ground) =>
      walled(ground, { ...overview, path: "/ioi.kernel.v1.Person/Revoke" }, overview, 501),
  },
];

const sizes: readonly Attack<Ground>[] = [
  {
    id: "body-too-long",
    run: (ground) => {
      const body = JSON.stringify({ path: "x".repeat(1_048_576) });
      return walled(ground, { ...overview, body }, overview, 413);
    },
  },
  {
    id: "body-endless",
    run: (ground) => {
      const body = Buffer.alloc(4 * 1_048_576, 32);
      const headers = { "transfer-encoding": "chunked" };
      return walled(ground, { ...overview, body, headers }, overview, 413);
    },
  },
  {
    id: "headers-too-long",
    run: (ground) => {
      const headers = { "x-long": "x".repeat(40_000) };
      return walled(ground, { ...overview, headers }, overview, 400, 431);
    },
  },
  {
    id: "address-too-long",
    run: (ground) => walled(ground, { path: `/${"x".repeat(4_000)}` }, { path: "/" }, 414),
  },
  {
    id: "json-deep",
    run: (ground) => walled(ground, { ...overview, body: "[".repeat(500_000) }, overview, 400),
  },
];

const escapes = [
  "/../../package.json",
  "/%2e%2e/%2e%2e/package.json",
  "/..%2f..%2fpackage.json",
  "/..%5c..%5cpackage.json",
  "/assets/../../../package.json",
  "/assets/....//package.json",
  "//etc/passwd",
  "/proc/self/environ",
  "/.env",
  "/open.js%00.html",
] as const;

const paths: readonly Attack<Ground>[] = [
  {
    id: "path-traversal",
    run: async ({ page }) => {
      const found: string[] = [];
      for (const place of ["app", "frame"] as const) {
        for (const path of escapes) {
          const { status, text, headers } = await page.ask({ place, path });
          // A path without a dot in it may be a screen of the page; it is never a file.
          const isPage = String(headers["content-type"]).startsWith("text/html");
          const leaks = /"devDependencies"|root:x:|IOI_|@ioi\//.test(text);
          if (leaks || (status === 200 && !isPage)) found.push(`${place} ${path} ${status}`);
        }
      }
      const control = (await page.ask({ path: "/open.js" })).status === 200;
      const actual = found.join("; ") || "nothing";
      return { expected: "no file", refused: found.length === 0, actual, control };
    },
  },
];

/** Sends bytes and returns what came until the server ended it. */
const raw = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let text = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });

const statusesOf = (text: string): readonly string[] =>
  [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map((found) => found[1] ?? "");

const ambiguous = (id: string, request: (page: PageClient) => string): Attack<Ground> => ({
  id,
  run: async ({ page }) => {
    const text = await raw(page.port, request(page));
    const statuses = statusesOf(text);
    const refused = statuses.every((status) => Number(status) >= 400) && statuses.length <= 1;
    const host = page.host("app");
    const rightly = await raw(
      page.port,
      `GET /open HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    );
    return {
      expected: "one refusal, or none and the end",
      refused: refused && !text.includes("policyHash"),
      actual: statuses.join(" ") || "ended",
      control: statusesOf(rightly)[0] === "200",
    };
  },
});

const post = ({ page }: { readonly page: PageClient }): string =>
  [
    "POST /ioi.console.v1.Console/Overview HTTP/1.1",
    `Host: ${page.host("app")}`,
    `Origin: ${page.origin("app")}`,
    `Cookie: ${page.cookie("app")}`,
    "Content-Type: application/json",
    "Connect-Protocol-Version: 1",
    "Connection: close",
  ].join("\r\n");

const smuggling: readonly Attack<Ground>[] = [
  ambiguous(
    "two-lengths",
    (page) => `${post({ page })}\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}`,
  ),
  ambiguous(
    "length-and-chunks",
    (page) =>
      `${post({ page })}\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
  ),
  ambiguous(
    "two-hosts",
    (page) =>
      `GET / HTTP/1.1\r\nHost: ${page.host("app")}\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
  ),
  ambiguous("no-host", () => "GET /open HTTP/1.1\r\nConnection: close\r\n\r\n"),
  ambiguous(
    "absolute-form",
    (page) =>
      `GET http://evil.example/open HTTP/1.1\r\nHost: ${page.host("app")}\r\nConnection: close\r\n\r\n`,
  ),
  ambiguous(
    "upgrade",
    (page) =>
      `GET /events HTTP/1.1\r\nHost: ${page.host("app")}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  ),
  ambiguous("no-http", () => "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\r\n\r\n"),
];

const nobody = 65_534;

/** One request by another user of this machine; what was answered. */
const askedAs = (uid: number, { page }: Ground, path: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const request = `GET ${path} HTTP/1.1\r\nHost: ${page.host("app")}\r\nCookie: ${page.cookie("app")}\r\nConnection: close\r\n\r\n`;
    const script = `exec 3<>/dev/tcp/127.0.0.1/${page.port}; printf '%s' "$REQUEST" >&3; cat <&3`;
    const options = { uid, gid: uid, cwd: "/", env: { REQUEST: request }, timeout: 20_000 };
    execFile("/bin/bash", ["-c", script], options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(error);
    });
  });

/** Needs the superuser, who can become another user. */
const otherUser: Attack<Ground> = {
  id: "another-user-with-the-cookie",
  run: async (ground) => {
    const tried = await askedAs(nobody, ground, "/open");
    const rightly = await askedAs(0, ground, "/open");
    return {
      expected: "403, though the cookie is good",
      refused: statusesOf(tried)[0] === "403",
      actual: tried.slice(0, 120),
      control: statusesOf(rightly)[0] === "200",
    };
  },
};

const slow: Attack<Ground> = {
  id: "slowloris",
  run: async ({ page }) => {
    const request = `POST /redeem HTTP/1.1\r\nHost: ${page.host("app")}\r\n`;
    const sockets = Array.from({ length: 60 }, (_, index) => {
      const socket = net.connect(page.port, "127.0.0.1", () => {
        // Some say nothing at all, some never end their headers.
        if (index % 3 > 0) socket.write(request);
      });
      socket.on("error", () => undefined).resume();
      const drip = setInterval(() => {
        if (index % 3 === 2 && socket.writable) socket.write("X-A: b\r\n");
      }, 200);
      const ended = new Promise<void>((resolve) => {
        socket.on("close", () => {
          clearInterval(drip);
          resolve();
        });
      });
      return { socket, ended };
    });
    const meanwhile: Answered = await page.ask(overview);
    const patience = new Promise<string>((resolve) => setTimeout(resolve, 25_000, "late").unref());
    const all = Promise.all(sockets.map(({ ended }) => ended)).then(() => "ended");
    const end = await Promise.race([all, patience]);
    for (const { socket } of sockets) socket.destroy();
    return {
      expected: "each is ended by the server, others are answered meanwhile",
      refused: end === "ended" && meanwhile.status === 200,
      actual: `${end}; another request got ${meanwhile.status}`,
    };
  },
};

const opened = (port: number): Promise<net.Socket> =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(socket));
    socket.on("error", () => resolve(socket));
    socket.resume();
  });

const flood: Attack<Ground> = {
  id: "connections-flood",
  run: async ({ page }) => {
    const sockets = await Promise.all(Array.from({ length: 400 }, () => opened(page.port)));
    for (const socket of sockets) socket.destroy();
    // The room comes back as they go.
    const { status } = await within("an answer", () => page.ask(overview));
    return {
      expected: "the console stands and answers again",
      refused: status === 200,
      actual: String(status),
    };
  },
};

export const wallAttacks: readonly Attack<Ground>[] = [
  ...hostAttacks,
  ...cookieAttacks,
  ...originAttacks,
  ...tokenAttacks,
  ...sizes,
  ...paths,
  ...smuggling,
  ...(process.getuid?.() === 0 ? [otherUser] : []),
  flood,
  slow,
];
