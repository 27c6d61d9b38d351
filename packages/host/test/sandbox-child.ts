/** What runs inside the sandboxes of the tests: an echo, or a driver that starts a command. */
import { spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import net from "node:net";
import { sandboxedCommand } from "../src/sandbox/index.ts";

const nested = (workspace: string): void => {
  const script =
    "cat file; echo; echo changed > file; cat file; rmdir old; cat data/hidden/key; ls";
  const command = sandboxedCommand(
    {
      name: "nested",
      kind: "command",
      binds: [],
      masks: [],
      network: "none",
      mayCreateNamespaces: false,
      limits: { processes: 64 },
      overlay: [
        { lower: workspace, upper: `${workspace}/data/up`, work: `${workspace}/data/work` },
      ],
    },
    "/bin/sh",
    ["-c", script],
    {},
    { cwd: workspace },
  );
  const answer = spawnSync(command.program, command.args, {
    env: command.env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  let alias = "read";
  try {
    readFileSync("/.inner/lower-0/data/hidden/key");
  } catch (error) {
    alias = (error as NodeJS.ErrnoException).code ?? "";
  }
  process.stdout.write(JSON.stringify({ code: answer.status, out: answer.stdout, alias }));
};

const echo = (): void => {
  process.on("message", (message) => process.send?.({ echo: message }));
  const line = new net.Socket({ fd: 3 });
  line.on("data", (text) => line.write(`echo ${String(text)}`));
  net.createServer((client) => client.end("served")).listen({ fd: 4 });
};

/** What can be done to the compiled code of the next process: each attempt's errno, or "done". */
const cache = (): void => {
  const folder = getCompileCacheDir() ?? "";
  const planted = `${folder}/planted`;
  const attempt = (work: () => void): string => {
    try {
      work();
      return "done";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  };
  const results = {
    plant: attempt(() => writeFileSync(planted, "code")),
    change: attempt(() => closeSync(openSync(`${folder}/${readdirSync(folder)[0]}`, "r+"))),
  };
  if (results.plant === "done") rmSync(planted);
  process.stdout.write(JSON.stringify({ found: folder !== "", ...results }));
};

const [mode, workspace = ""] = process.argv.slice(2);
if (mode === "nested") nested(workspace);
else if (mode === "cache") cache();
else echo();
