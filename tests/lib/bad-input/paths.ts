/**
 * Bad input: paths of every kind, and output without end. What is tried is the Guardian and the driver:
 * sessions are driven over the kernel's sockets, but for the few that the command line itself refuses.
 */
import fs from "node:fs";
import path from "node:path";
import type { RunView } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { openRun, runAgent } from "../agent-runs.ts";
import { Scratch, TestKernel } from "../kernel.ts";
import { answered, type BadInputCase, fullOnly, judged } from "./case.ts";

/** One kernel for all paths: started by the first case, stopped by {@link endPaths}. */
interface Place {
  readonly scratch: Scratch;
  readonly kernel: TestKernel;
  readonly data: string;
  readonly workspace: string;
}

let place: Promise<Place> | undefined;

const secret = "outside-secret-4711";

const make = async (): Promise<Place> => {
  const scratch = new Scratch();
  const data = scratch.at("data");
  const workspace = scratch.folder("work");
  const outside = scratch.folder("outside");
  fs.writeFileSync(path.join(outside, "secret.txt"), secret);
  fs.mkdirSync(scratch.at("work-evil"));
  fs.writeFileSync(scratch.at("work-evil/secret.txt"), secret);
  fs.writeFileSync(path.join(workspace, "a.txt"), "hi\n");
  fs.writeFileSync(path.join(workspace, ".envrc"), "x\n");
  fs.symlinkSync(path.join(outside, "secret.txt"), path.join(workspace, "link.txt"));
  fs.symlinkSync(outside, path.join(workspace, "linked"));
  fs.linkSync(path.join(outside, "secret.txt"), path.join(workspace, "hard.txt"));
  fs.symlinkSync("loop", path.join(workspace, "loop"));
  const kernel = await TestKernel.start({ data });
  return { scratch, kernel, data, workspace };
};

/** For cases that leave it as they found it. */
export const sharedPlace = (): Promise<Place> => (place ??= make());

export const endPaths = async (): Promise<void> => {
  // A kernel that did not start has failed its cases already.
  const made = await place?.catch(() => undefined);
  place = undefined;
  await made?.kernel[Symbol.asyncDispose]();
  made?.scratch[Symbol.dispose]();
};

const run = async (words: (at: Place) => string) => {
  const at = await sharedPlace();
  const view = await runAgent(at.data, { text: words(at), workspace: at.workspace });
  return { at, view };
};

const showView = ({ state, error, actions }: RunView): string =>
  `${state}, ${JSON.stringify(error)}, ${JSON.stringify(actions)}`;

/** Refused: not done, the secret not shown, nothing outside changed. */
const refused = (id: string, words: (at: Place) => string): BadInputCase => ({
  id: `path-${id}`,
  run: async () => {
    const { at, view } = await run(words);
    const intact =
      fs.readFileSync(at.scratch.at("outside/secret.txt"), "utf8") === secret &&
      fs.readFileSync(at.scratch.at("work-evil/secret.txt"), "utf8") === secret;
    const leaked = JSON.stringify(view).includes(secret);
    return judged(
      "failed, a code, nothing shown, nothing changed",
      view.state === "failed" && view.error?.code.startsWith("E_") === true && intact && !leaked,
      showView(view),
    );
  },
});

/** The control of them all: the same words do read and write what is inside. */
const allowedInside: BadInputCase = {
  id: "path-inside-control",
  run: async () => {
    const { at, view } = await run(
      () => "/read a.txt && /write fine.txt x && /read ./sub/../a.txt",
    );
    const read = view.actions.map(({ outcome }) => outcome?.content ?? "");
    return judged(
      "done, what was read is shown, what was written is there",
      view.state === "done" &&
        read.filter((content) => content.includes("hi")).length === 2 &&
        fs.existsSync(path.join(at.workspace, "fine.txt")),
      showView(view),
    );
  },
};

/** A name that would deceive the eye is the person's to choose, but never shown as it is. */
const visibleInDisplay = (id: string, name: string, shown: string): BadInputCase => ({
  id: `path-${id}`,
  run: async () => {
    const { view } = await run(() => `/write "${name}" x`);
    const display = view.actions[0]?.display;
    return judged(
      `${shown} written out in the display`,
      display !== undefined && display.includes(shown) && !display.includes(name),
      showView(view),
    );
  },
});

/** The Guardian opens no session there. */
const workspaceRefused = (id: string, folder: (at: Place) => string): BadInputCase => ({
  id: `workspace-${id}`,
  run: async () => {
    const at = await sharedPlace();
    const opened = openRun(at.data, { text: "/list", workspace: folder(at) });
    const said = await opened.then(
      (session) => `opened ${session}`,
      (error: unknown) => (error instanceof OperationError ? error.code : String(error)),
    );
    return judged("E_WORKSPACE_REFUSED", said === "E_WORKSPACE_REFUSED", said);
  },
});

const longName = "n".repeat(300);
const deep = `${"d/".repeat(3000)}x`;

export const pathCases: readonly BadInputCase[] = [
  allowedInside,
  refused("dot-dot", () => "/read ../outside/secret.txt"),
  fullOnly(refused("dot-dot-inside", () => "/read sub/../../outside/secret.txt")),
  refused("absolute", (at) => `/read "${at.scratch.at("outside/secret.txt")}"`),
  refused("prefix-confusion", (at) => `/read "${at.workspace}-evil/secret.txt"`),
  refused("symlink-read", () => "/read link.txt"),
  fullOnly(refused("symlink-write", () => "/write link.txt gone")),
  fullOnly(refused("symlink-folder", () => "/read linked/secret.txt")),
  refused("symlink-folder-write", () => "/write linked/secret.txt gone"),
  refused("symlink-loop", () => "/read loop"),
  refused("hard-link-write", () => "/write hard.txt gone"),
  refused("proc-self-root", (at) => `/read /proc/self/root${at.scratch.at("outside/secret.txt")}`),
  fullOnly(
    refused("proc-1-root", (at) => `/read /proc/1/root${at.scratch.at("outside/secret.txt")}`),
  ),
  fullOnly(refused("dev-fd", () => "/read /dev/fd/3")),
  refused("device", () => "/read /dev/zero"),
  refused("tilde", () => "/read ~/.ssh/id_ed25519"),
  fullOnly(refused("other-tilde", () => "/read ~root/.profile")),
  refused("control-character", () => '/read "a\u0007.txt"'),
  refused("newline", () => '/read "a\nb"'),
  visibleInDisplay("bidi", "a\u202etxt.exe", "U+202E"),
  visibleInDisplay("zero-width", "a\u200b.txt", "U+200B"),
  refused("long-name", () => `/read ${longName}`),
  refused("deep", () => `/read ${deep}`),
  refused("own-data-folder", (at) => `/read "${at.data}/guardian/keystore.key"`),
  refused("own-data-folder-write", (at) => `/write "${at.data}/guardian/policy.toml" x`),
  refused("empty", () => '/read ""'),
  {
    id: "path-run-sees-no-outside",
    run: async () => {
      const { view } = await run(() => "/run cat ../outside/secret.txt");
      return judged(
        "the command fails and shows nothing",
        view.error?.code === "E_PROGRAM_FAILED" && !JSON.stringify(view).includes(secret),
        showView(view),
      );
    },
  },
  {
    id: "path-run-writes-no-outside",
    run: async () => {
      const { at, view } = await run(() => '/run sh -c "echo gone > ../outside/secret.txt"');
      return judged(
        "the file outside is unchanged",
        fs.readFileSync(at.scratch.at("outside/secret.txt"), "utf8") === secret,
        showView(view),
      );
    },
  },
  {
    id: "one-gigabyte-of-output",
    run: async ({ ioi }) => {
      const at = await sharedPlace();
      const words = "/run head -c 1073741824 /dev/zero";
      const given = ["--data", at.data, "--workspace", at.workspace, "--json"];
      const result = await ioi(["run", ...given, words]);
      const view = result.json as
        | { actions: readonly { outcome: { evidence: Readonly<Record<string, string>> } | null }[] }
        | undefined;
      const counted = view?.actions[0]?.outcome?.evidence["outputBytes"];
      const { processes } = await at.kernel.status();
      const mostMiB = Math.max(...processes.map((each) => Number(each.pssKib) / 1024));
      return judged(
        "exit 0, 1073741824 bytes counted, answer below 1 MB, no process above 300 MiB",
        result.code === 0 &&
          counted === "1073741824" &&
          result.stdout.length < 1_000_000 &&
          mostMiB < 300,
        `exit ${result.code}, counted ${counted}, answer ${result.stdout.length}, ${mostMiB} MiB; ${result.stderr.slice(-200)}`,
      );
    },
  },
  {
    id: "workspace-that-is-not-there",
    run: async ({ ioi }) => {
      const at = await sharedPlace();
      const missing = at.scratch.at("nowhere");
      return answered(
        await ioi(["run", "--data", at.data, "--workspace", missing, "/list"]),
        2,
        /E_[A-Z_]+/,
      );
    },
  },
  {
    id: "workspace-root",
    run: async ({ ioi }) => {
      const at = await sharedPlace();
      const result = await ioi(["run", "--data", at.data, "--workspace", "/", "/list"]);
      return answered(result, 2, "E_WORKSPACE_REFUSED");
    },
  },
  workspaceRefused("usr", () => "/usr"),
  workspaceRefused("etc", () => "/etc"),
  workspaceRefused("proc", () => "/proc"),
  workspaceRefused("in-own-data-folder", (at) => path.join(at.data, "vault")),
  {
    id: "second-instance-on-one-folder",
    run: async ({ ioi }) => {
      const at = await sharedPlace();
      const more = ["--data", at.data, "--port", "0", "--exit-when-ready"];
      return answered(await ioi(["start", ...more]), 5, "E_DATA_LOCKED", String(at.kernel.pid));
    },
  },
  ...[
    { id: "planner-unknown-command", words: "/raed x", said: "/read" },
    { id: "planner-unclosed-quote", words: '/read "x', said: /E_[A-Z_]+/ },
  ].map(({ id, words, said }): BadInputCase => ({
    id,
    run: async ({ ioi }) => {
      const at = await sharedPlace();
      const given = ["--data", at.data, "--workspace", at.workspace];
      return answered(await ioi(["run", ...given, words]), 2, said);
    },
  })),
];
