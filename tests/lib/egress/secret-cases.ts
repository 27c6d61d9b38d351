/** Cases about secrets: where they go, where they are, and what a stop or an environment leaves. */
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { once } from "node:events";
import { ioi, type TestKernel } from "../kernel.ts";
import { hitsInFiles, hitsInMemory } from "../memory.ts";
import { descendantsOf } from "../processes.ts";
import { caseOf, secureName, summary, type World } from "./place.ts";

/** Memory of every process of the kernel that must not know the secret, and files. */
const secretHits = async (
  world: World,
  kernel: TestKernel,
  value: string,
): Promise<{ readonly others: string; readonly egress: number; readonly guardian: number }> => {
  const { processes } = await kernel.status();
  const hits = new Map<string, number>();
  for (const { name, pid } of processes) {
    hits.set(name, (hits.get(name) ?? 0) + hitsInMemory(pid, value).hits);
  }
  hits.set("files", hitsInFiles(world.data, value));
  const others = [...hits]
    .filter(([name, count]) => name !== "egress" && name !== "guardian" && count > 0)
    .map(([name, count]) => `${name} ${count}`);
  return {
    others: others.join(", "),
    egress: hits.get("egress") ?? 0,
    guardian: hits.get("guardian") ?? 0,
  };
};

export const secretCases = async (world: World, kernel: TestKernel): Promise<void> => {
  const { cases, secure, metrics } = world;
  const value = `canary${process.pid}x${Math.trunc(performance.now() * 1000).toString(36)}secret`;
  const set = await ioi(
    ["secrets", "set", "TOKEN", "--url", `https://${secureName}/`, "--data", world.data],
    { input: `${value}\n` },
  );
  cases.push(caseOf("a secret is entered", "0", String(set.code)));
  const elsewhere = await world.run("/fetch http://site.test/ with TOKEN");
  cases.push(
    caseOf(
      "a secret does not go to another host",
      "E_SECRET_BINDING, 0 sent",
      `${elsewhere.error?.code}, ${world.web.authorizations.filter((each) => each !== undefined).length} sent`,
    ),
  );
  const running = world.run(`/fetch https://${secureName}/wait with TOKEN`);
  const response = await secure.arrived();
  if (process.getuid?.() === 0) {
    const { others, egress, guardian } = await secretHits(world, kernel, value);
    metrics["secretHitsElsewhere"] = others === "" ? 0 : others.split(", ").length;
    metrics["secretHitsEgress"] = egress;
    metrics["secretHitsGuardian"] = guardian;
    cases.push(
      caseOf("a secret in use is in no other process, file or log", "", others, egress > 0),
    );
  } else world.unavailable.push("reading another process's memory needs root");
  response.end("done");
  const view = await running;
  cases.push(
    caseOf(
      "a secret reaches the server it is bound to",
      `allow confirmed, Bearer ${value}`,
      `${summary(view)}, ${secure.authorizations.at(-1)}`,
    ),
  );
  const listed = await world.ioi("secrets", "list", "--json");
  const shown = listed.stdout.includes("TOKEN") && !listed.stdout.includes(value);
  cases.push(caseOf("a secret is listed by name only", "true", String(shown)));
};

/** A stop cuts what is under way and says what the server had received. */
export const stopCase = async (world: World): Promise<void> => {
  const running = world.run("/fetch http://site.test/wait");
  const response = await world.web.arrived();
  const closed = once(response, "close");
  const stopped = await world.ioi("stop", "--json");
  await Promise.all([closed, running]);
  const { stopped: list } = stopped.json as {
    readonly stopped: readonly {
      readonly sent: readonly { method: string; url: string; bytes: number }[];
    }[];
  };
  const [sent] = list.flatMap((each) => each.sent);
  world.cases.push(
    caseOf(
      "a stop cuts the connection and says what was sent",
      "GET http://site.test/wait true",
      `${sent?.method} ${sent?.url} ${(sent?.bytes ?? 0) > 0}`,
    ),
  );
};

const environOf = (pid: number): string => {
  try {
    return fs.readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
};

/** A key in the environment of `ioi start` is in no process's environment afterwards. */
export const environmentCase = async (world: World): Promise<void> => {
  const data = world.scratch.at("other");
  const value = `sk-canary-${process.pid}`;
  const cli = path.join(import.meta.dirname, "../../../apps/cli/src/main.ts");
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      cli,
      "start",
      "--no-page",
      "--data",
      data,
      "--port",
      "0",
    ],
    { env: { ...process.env, OPENAI_API_KEY: value }, stdio: ["ignore", "pipe", "ignore"] },
  );
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      if (chunk.includes("LISTENING")) break;
    }
    const pid = child.pid ?? 0;
    const listed = await ioi(["secrets", "list", "--json", "--data", data]);
    const holders = [pid, ...descendantsOf(pid).map((each) => each.pid)].filter((each) =>
      environOf(each).includes(value),
    );
    const control = spawnSync("/bin/cat", ["/proc/self/environ"], {
      env: { OPENAI_API_KEY: value },
      encoding: "latin1",
    });
    world.cases.push(
      caseOf(
        "a key of the environment is in no process's environment",
        "offered true, 0 environments",
        `offered ${listed.stdout.includes('"fromEnvironment":true')}, ${holders.length} environments`,
        control.stdout.includes(value),
      ),
    );
  } finally {
    child.kill("SIGTERM");
    if (child.exitCode === null) await once(child, "exit");
  }
};
