/**
 * The program of an agent that is a folder: in a sandbox that sees this folder for reading and
 * nothing else of the person's, without network. It gets one socket as its input and output and one
 * for its errors; both go to the Workload.
 */
import type { ChildProcess } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { OperationError } from "@ioi/base";
import { openManifest, programOf } from "@ioi/drivers/agent";
import { socketPair } from "@ioi/host/libc";
import {
  kindProfiles,
  type SandboxedChild,
  type SpawnOptions,
  spawnSandboxed,
} from "@ioi/host/sandbox";
import type { Profile } from "@ioi/wire";

/** The whole environment beside the sandbox's own; Python writes nothing beside its sources. */
const environment = {
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONUNBUFFERED: "1",
  PYTHONUTF8: "1",
} as const;

export interface AgentProgram {
  readonly child: ChildProcess;
  readonly started: SandboxedChild["started"];
  /** The other end of its input and output. */
  readonly lines: net.Socket;
  readonly errors: net.Socket;
}

const within = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(`${outer}/`);

/** Read by nobody in this process. */
const pausedSocket = (fd: number): net.Socket => {
  const options: net.SocketConstructorOpts & { readonly pauseOnCreate: true } = {
    fd,
    readable: true,
    writable: true,
    pauseOnCreate: true,
  };
  const socket = new net.Socket(options);
  socket.on("error", () => undefined);
  return socket;
};

export const startAgentProgram = (
  profile: Profile,
  dataFolder: string,
  as: Pick<SpawnOptions, "identity"> = {},
): AgentProgram => {
  const [root, ...more] = profile.roots;
  if (root === undefined || more.length > 0 || root.access !== "read") {
    throw new OperationError("E_DRIVER_REFUSED", "an agent's profile has one folder, for reading");
  }
  const folder = root.path;
  if (within(folder, dataFolder) || within(dataFolder, folder)) {
    throw new OperationError("E_DRIVER_REFUSED", "the agent's folder and the data folder overlap");
  }
  const manifest = openManifest(folder);
  const program = programOf(folder, manifest);
  const base = kindProfiles.agent;
  const runtime = path.isAbsolute(program) && program === fs.realpathSync(process.execPath);
  const lines = socketPair();
  const errors = socketPair();
  try {
    const { child, started } = spawnSandboxed(
      {
        name: "agent",
        kind: "agent",
        ...base,
        binds: [
          { path: folder, access: "read" },
          ...(runtime ? [{ path: program, access: "read" } as const] : []),
        ],
        masks: [],
      },
      {
        ...as,
        program,
        args: [...(runtime ? ["--no-warnings"] : []), ...manifest.entry.slice(1)],
        env: environment,
        cwd: folder,
        stdio: [lines[1], lines[1], errors[1]],
      },
    );
    return { child, started, lines: pausedSocket(lines[0]), errors: pausedSocket(errors[0]) };
  } catch (error) {
    fs.closeSync(lines[0]);
    fs.closeSync(errors[0]);
    throw error;
  } finally {
    fs.closeSync(lines[1]);
    fs.closeSync(errors[1]);
  }
};
