/** Bad input: URLs, and servers that answer half, endlessly, or with something else inside. */
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { Scratch, TestKernel } from "../kernel.ts";
import {
  answered,
  type BadInputCase,
  fullOnly,
  judged,
  type Means,
  show,
  type Verdict,
} from "./case.ts";

const policy = `version = 1
[[rule]]
id = "server"
effect = "allow"
target = ["net::get", "net::post"]
where.url = { host = "127.0.0.1" }
[[rule]]
id = "programs"
effect = "allow"
target = ["sys::exec"]
where.argv = { profile = "closed" }
network = []
`;

/** By path: what comes back, byte for byte; `/endless` never ends. */
const answers: Readonly<Record<string, string>> = {
  "/half": "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf",
  "/rubbish": "220 mail.example ESMTP\r\n",
  "/two": "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 30\r\n\r\nxHTTP/1.1 200 OK",
  "/header": "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 1\r\n\r\nx",
  "/head": `HTTP/1.1 200 OK\r\nx: ${"a".repeat(200_000)}\r\n\r\n`,
};

class Place {
  readonly scratch = new Scratch();
  readonly data: string = this.scratch.at("data");
  readonly sockets = new Set<net.Socket>();
  readonly server: net.Server = net.createServer((socket) => this.#serve(socket));
  kernel: TestKernel | undefined;
  port = 0;

  static async open(): Promise<Place> {
    const place = new Place();
    place.server.listen(0, "127.0.0.1");
    await once(place.server, "listening");
    place.port = (place.server.address() as net.AddressInfo).port;
    place.kernel = await TestKernel.start({ data: place.data });
    fs.writeFileSync(path.join(place.data, "guardian/policy.toml"), policy, { mode: 0o600 });
    return place;
  }

  #serve(socket: net.Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.sockets.delete(socket));
    socket.once("data", (head: Buffer) => {
      const asked = /^\S+ (\S+)/.exec(head.toString("latin1"))?.[1] ?? "";
      if (asked !== "/endless") {
        socket.end(Buffer.from(answers[asked] ?? "", "latin1"));
        return;
      }
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const more = (): void => {
        while (!socket.destroyed && socket.write("x".repeat(65_536)));
      };
      socket.on("drain", more);
      more();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await this.kernel?.[Symbol.asyncDispose]();
    this.scratch[Symbol.dispose]();
  }
}

let opened: Promise<Place> | undefined;

/** The kernel and the server that the cases share go. */
export const endNet = async (): Promise<void> => {
  const place = await opened;
  opened = undefined;
  await place?.[Symbol.asyncDispose]();
};

const fetching = async ({ ioi }: Means, url: (place: Place) => string) => {
  const place = await (opened ??= Place.open());
  const workspace = place.scratch.folder("work");
  const given = ["--data", place.data, "--workspace", workspace, "--on-ask", "deny", "--json"];
  return await ioi(["run", ...given, `/fetch '${url(place)}'`]);
};

const refused = (
  id: string,
  url: (place: Place) => string,
  exit: number,
  code: string,
): BadInputCase => ({ id, run: async (means) => answered(await fetching(means, url), exit, code) });

const badUrl = (id: string, url: (place: Place) => string, code = "E_ARGUMENT_URL"): BadInputCase =>
  refused(`net-url-${id}`, url, 2, code);

const served = (name: string): BadInputCase =>
  refused(
    `net-answer-${name}`,
    ({ port }) => `http://127.0.0.1:${port}/${name}`,
    5,
    "E_EGRESS_RESPONSE",
  );

/** What a program says to its one port, and what it is answered; each connection is closed then. */
const crooked: readonly (readonly [said: string, answered: string])[] = [
  ["GET / HTTP/1.1\\r\\nhost: a.example\\r\\n\\r\\n", "400"],
  ["CONNECT a.example:443 HTTP/1.1\\nhost: a.example\\n\\n", "400"],
  ["CONNECT a.example:0 HTTP/1.1\\r\\n\\r\\n", "400"],
  ["CONNECT me@a.example:443 HTTP/1.1\\r\\n\\r\\n", "400"],
  ["CONNECT a.example:443 HTTP/1.1\\r\\nhost: b.example\\r\\n\\r\\n", "400"],
  [
    "POST http://a.example/ HTTP/1.1\\r\\nhost: a.example\\r\\ntransfer-encoding: chunked\\r\\n\\r\\nxyz\\r\\n",
    "400",
  ],
];

const halfSpoken = async ({ ioi }: Means): Promise<Verdict> => {
  const place = await (opened ??= Place.open());
  const workspace = place.scratch.folder("work");
  const lines = [
    ...crooked.flatMap(([said]) => [
      "exec 3<>/dev/tcp/127.0.0.1/3128",
      `printf '${said}' >&3; head -1 <&3 | cut -d' ' -f2`,
    ]),
    // Half of SOCKS5, half of a head, and nothing: the program ends, and they with it.
    "exec 4<>/dev/tcp/127.0.0.1/3128; printf '\\x05\\x02' >&4",
    "exec 5<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT a.ex' >&5",
    "exec 6<>/dev/tcp/127.0.0.1/3128",
    "echo done",
  ];
  fs.writeFileSync(path.join(workspace, "half.sh"), `${lines.join("\n")}\n`);
  const given = ["--data", place.data, "--workspace", workspace, "--json"];
  const ran = await ioi(["run", ...given, "--", "bash", "half.sh"]);
  const { actions } = (ran.json ?? { actions: [] }) as {
    readonly actions: readonly { readonly outcome: { readonly content: string } | null }[];
  };
  const said = (actions[0]?.outcome?.content ?? "").trim().split("\n").join(" ");
  const expected = [...crooked.map(([, code]) => code), "done"].join(" ");
  return judged(expected, said === expected && ran.code === 0, `${said}; ${show(ran)}`);
};

export const netCases: readonly BadInputCase[] = [
  { id: "net-program-half-spoken-proxy", run: halfSpoken },
  badUrl("nul", () => "http://127.0.0.1%00.example/"),
  badUrl("line-break", ({ port }) => `http://127.0.0.1:${port}/a\r\nx: y`),
  fullOnly(badUrl("user", ({ port }) => `http://user:word@127.0.0.1:${port}/`)),
  badUrl("scheme", () => "file:///etc/passwd"),
  badUrl(
    "oversized",
    ({ port }) => `http://127.0.0.1:${port}/${"a".repeat(8000)}`,
    "E_AGENT_CALL_INVALID",
  ),
  served("half"),
  served("rubbish"),
  fullOnly(served("two")),
  fullOnly(served("header")),
  served("head"),
  {
    id: "net-answer-endless",
    run: async (means): Promise<Verdict> => {
      const ran = await fetching(means, ({ port }) => `http://127.0.0.1:${port}/endless`);
      const { actions } = (ran.json ?? { actions: [] }) as {
        readonly actions: readonly { readonly outcome: { readonly bytes: number } | null }[];
      };
      const bytes = actions[0]?.outcome?.bytes ?? 0;
      return judged("exit 0 and 2097152 bytes", ran.code === 0 && bytes === 2_097_152, show(ran));
    },
  },
];
