/** What must hold while things break: streams that are cut, tabs that sleep, a console that dies. */
import fs from "node:fs";
import http from "node:http";
import type { PageClient } from "../../lib/page-client.ts";
import type { Attack } from "./attack.ts";
import { type Ground, within } from "./ground.ts";

interface Heard {
  readonly id: string;
  readonly kind: string;
  readonly session: string;
}

/** What comes after `lastId` until `enough` says so; then the stream is cut. */
const hear = (
  page: PageClient,
  lastId: string,
  enough: (heard: readonly Heard[]) => boolean,
): Promise<readonly Heard[]> =>
  new Promise((resolve, reject) => {
    const headers: Record<string, string> = { host: page.host("app"), cookie: page.cookie("app") };
    if (lastId !== "") headers["last-event-id"] = lastId;
    const patience = setTimeout(() => reject(new Error("no events")), 20_000).unref();
    const request = http.get(
      {
        host: "127.0.0.1",
        port: page.port,
        path: "/events",
        headers,
        setHost: false,
        agent: false,
      },
      (response) => {
        let text = "";
        response.on("error", () => undefined);
        response.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
          const heard = [...text.matchAll(/^id: (.+)\ndata: (.+)\n\n/gm)].map((found) => {
            const data = JSON.parse(found[2] ?? "") as {
              readonly kind: string;
              readonly session?: { readonly session: string };
            };
            const session = data.session?.session ?? "";
            return { id: found[1] ?? "", kind: data.kind, session };
          });
          if (!enough(heard)) return;
          clearTimeout(patience);
          response.destroy();
          resolve(heard);
        });
      },
    );
    request.on("error", () => undefined);
  });

const numberOf = ({ id }: Heard): number => Number(id.split(".")[1]);

const pidOf = async (ground: Ground, name: string): Promise<number> =>
  (await ground.kernel.status()).processes.find((each) => each.name === name)?.pid ?? 0;

export const lifeAttacks: readonly Attack<Ground>[] = [
  {
    id: "events-cut",
    run: async (ground) => {
      const { page } = ground;
      const workspace = ground.workspace("cut", { "a.txt": "a\n" });
      const before = await hear(page, "", (heard) => heard.length > 0);
      const first = await ground.begin("/read a.txt", workspace);
      const isOf = (session: string) => (heard: readonly Heard[]) =>
        heard.some((each) => each.session === session);
      const until = await hear(page, before.at(-1)?.id ?? "", isOf(first));
      // Nobody listens while the next one runs; who comes back hears of it.
      const second = await ground.begin("/list .", workspace);
      const after = await hear(page, until.at(-1)?.id ?? "", isOf(second));
      const numbers = [...until, ...after].filter(({ kind }) => kind !== "reset").map(numberOf);
      const rising = numbers.every(
        (number, at) => at === 0 || number === (numbers[at - 1] ?? 0) + 1,
      );
      return {
        expected: "every event once, in order, over the cut",
        refused: rising && !after.some(({ kind }) => kind === "reset"),
        actual: numbers.join(" "),
      };
    },
  },
  {
    id: "tab-asleep",
    run: async ({ page }) => {
      // An hour is more than is kept, or another life of the console: both are told.
      const kinds: string[] = [];
      for (const lastId of ["0000000000000000.5", "nonsense", "x".repeat(200)]) {
        const [heard] = await hear(page, lastId, (all) => all.length > 0);
        kinds.push(heard?.kind ?? "nothing");
      }
      return {
        expected: "reset each time",
        refused: kinds.every((kind) => kind === "reset"),
        actual: kinds.join(" "),
      };
    },
  },
  {
    id: "console-killed",
    run: async (ground) => {
      const { page } = ground;
      const restarts = (await ground.kernel.status()).restarts;
      const before = await pidOf(ground, "console");
      process.kill(before, "SIGKILL");
      const overview = await within("the console's next life", async () => {
        const answered = await page.call("Overview", {});
        const pid = await pidOf(ground, "console");
        if (pid === before || answered.status !== 200) throw new Error("not yet");
        return answered;
      });
      const [heard] = await hear(page, "", (all) => all.length > 0);
      const status = await ground.kernel.status();
      return {
        expected: "it comes back on its port, knows its browsers, and nothing else ended",
        refused: overview.status === 200 && heard?.kind === "reset" && status.restarts === restarts,
        actual: `${overview.status}; kernel restarts ${status.restarts - restarts}`,
      };
    },
  },
  {
    id: "console-has-no-network",
    run: async (ground) => {
      const pid = await pidOf(ground, "console");
      const interfaces = fs
        .readFileSync(`/proc/${pid}/net/dev`, "utf8")
        .split("\n")
        .slice(2)
        .flatMap((line) => line.trim().split(":")[0] || []);
      const own = fs.readlinkSync("/proc/self/ns/net");
      const theirs = fs.readlinkSync(`/proc/${pid}/ns/net`);
      const status = fs.readFileSync(`/proc/${pid}/status`, "utf8");
      const filtered = /^Seccomp:\s*2$/m.test(status);
      const alone = own !== theirs && interfaces.every((name) => name === "lo");
      return {
        expected: "an empty network of its own, behind a filter of system calls",
        refused: alone && filtered,
        actual: `${interfaces.join(" ") || "none"}; ${own === theirs ? "ours" : "its own"}`,
        control: own !== "" && fs.readFileSync("/proc/self/net/dev", "utf8").split("\n").length > 3,
      };
    },
  },
  {
    id: "console-sees-no-files",
    run: async (ground) => {
      const pid = await pidOf(ground, "console");
      const seen = ["device", "guardian", "workload", "identity", "vault"].filter((name) =>
        fs.existsSync(`/proc/${pid}/root${ground.data}/${name}`),
      );
      const control = fs.existsSync(`/proc/${pid}/root${ground.data}/run`);
      return {
        expected: "nothing of the data folder but run/",
        refused: seen.length === 0,
        actual: seen.join(" ") || "nothing",
        control,
      };
    },
  },
];
