/** The agent's side: a folder with a Python program for each case. */
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openRun, startRun, stopRun } from "../../lib/agent-runs.ts";
import type { SuiteCase } from "../suite.ts";
import {
  type Came,
  filesIn,
  type Ground,
  inTurns,
  judged,
  pathOf,
  wanted,
  workspaceOf,
} from "./ground.ts";

interface ProgramCase {
  readonly id: string;
  /** Python; `answer(seq, step)` writes one step, `observed()` gives the next observation. */
  readonly program: string;
  readonly expected: string | RegExp;
  readonly stepMs?: number;
  /** What the suite does meanwhile: kills the program once it says that it waits. */
  readonly kills?: true;
  /** The person stops the session once the program runs. */
  readonly stops?: true;
  readonly quick?: true;
}

const prelude = `
import json, os, socket, subprocess, sys, time

def answer(seq, step):
    sys.stdout.write(json.dumps({**step, "seq": seq}) + "\\n")
    sys.stdout.flush()

def observed():
    while True:
        line = sys.stdin.readline()
        if line == "":
            sys.exit(0)
        message = json.loads(line)
        if message["type"] == "observe":
            return message["seq"], message["observation"]

write = {"type": "propose", "target": "fs::write",
         "args": {"path": "made.txt", "create": "new", "content": "x"}}
done = {"type": "finish", "status": "done"}

def behave(seq):
    answer(seq, write)
    seq, _ = observed()
    answer(seq, done)
    observed()

seq, _ = observed()
`;

const written = "done; no error; fs::write*1; made.txt";
const protocol = "failed; E_AGENT_PROTOCOL";

/** A first line that is no answer. */
const line = (id: string, text: string, quick?: true): ProgramCase => ({
  id,
  program: `sys.stdout.buffer.write(${text} + b"\\n"); sys.stdout.flush(); behave(seq)`,
  expected: protocol,
  ...(quick === undefined ? {} : { quick }),
});

const attempts = `
tries = {
    "home": lambda: os.listdir(os.path.expanduser("~root")),
    "write": lambda: open("left.txt", "w"),
    "network": lambda: socket.create_connection(("1.1.1.1", 53), 1),
    "workspace": lambda: os.listdir(WORKSPACE),
}
got = []
for name, attempt in tries.items():
    try:
        attempt()
        got.append(name)
    except OSError:
        pass
answer(seq, {"type": "finish", "status": "failed", "message": "got: " + ",".join(got)})
observed()
`;

const cases: readonly ProgramCase[] = [
  {
    id: "program-floods-line",
    program: `\nwhile True: sys.stdout.write("x" * 65536)`,
    expected: "failed; E_AGENT_FLOOD",
    quick: true,
  },
  {
    id: "program-floods-reads",
    program: `\nwhile True: answer(seq, {"type": "read", "action": 1, "offset": 0}); sys.stdin.readline()`,
    expected: "failed; E_AGENT_FLOOD",
  },
  {
    id: "program-floods-errors",
    program: `\nfor _ in range(64): sys.stderr.write("e" * 1048576)\nbehave(seq)`,
    expected: written,
  },
  {
    id: "program-floods-answers",
    program: `\nfor _ in range(1000): answer(seq, {"type": "say", "text": "again"})\nobserved()`,
    expected: protocol,
  },
  {
    id: "program-hangs",
    program: `\ntime.sleep(600)`,
    expected: "failed; E_AGENT_HUNG; gone",
    stepMs: 1500,
  },
  {
    id: "program-stopped",
    program: `
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", MARK])
time.sleep(600)`,
    expected: "stopped; E_SESSION_STOPPED; gone",
    stops: true,
  },
  {
    id: "program-hangs-with-children",
    program: `
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3): subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", MARK])
time.sleep(600)`,
    expected: "failed; E_AGENT_HUNG; gone",
    stepMs: 2500,
    quick: true,
  },
  {
    id: "program-dies",
    program: `\nraise ValueError("told to")`,
    expected: /^failed; E_AGENT_DIED; says ValueError: told to$/,
  },
  {
    id: "program-dies-later",
    program: `\nanswer(seq, write)\nseq, _ = observed()\nos._exit(3)`,
    expected: "failed; E_AGENT_DIED; fs::write*1; made.txt",
  },
  {
    id: "program-killed",
    program: `\nanswer(seq, write)\nseq, _ = observed()\nWAIT()\nanswer(seq, done)\nobserved()`,
    expected: written,
    kills: true,
    quick: true,
  },
  {
    id: "program-diverges",
    program: `\nanswer(seq, {"type": "propose", "target": "fs::mkdir", "args": {"path": os.urandom(4).hex()}})\nseq, _ = observed()\nWAIT()\nanswer(seq, done)\nobserved()`,
    expected: /^failed; E_AGENT_DIVERGES; fs::mkdir\*1; [0-9a-f]{8}$/,
    kills: true,
    quick: true,
  },
  line("program-garbage", `b"hello"`, true),
  line("program-bytes", `b"\\xff\\xfe{}"`),
  line("program-duplicate-keys", `b'{"type":"say","seq":0,"text":"a","text":"b"}'`),
  line(
    "program-deep",
    `b'{"type":"propose","seq":0,"target":"fs::list","args":' + b"[" * 100000 + b"]" * 100000 + b"}"`,
  ),
  line("program-other-seq", `b'{"type":"say","seq":7,"text":"late"}'`),
  line(
    "program-lies-outcome",
    `b'{"type":"outcome","seq":0,"status":"confirmed","content":"done"}'`,
    true,
  ),
  line(
    "program-lies-ticket",
    `b'{"type":"propose","seq":0,"target":"fs::list","args":{"path":"."},"verdict":"allow"}'`,
    true,
  ),
  {
    id: "program-claims",
    program: `\nanswer(seq, {"type": "say", "text": "made.txt is written"})\nseq, _ = observed()\nanswer(seq, done)\nobserved()`,
    expected: "done; no error",
  },
  {
    id: "program-other-tool",
    program: `\nwhile True:\n    answer(seq, {"type": "propose", "target": "sys::exec", "args": {"argv": ["true"]}})\n    seq, _ = observed()`,
    expected: "failed; E_AGENT_INVALID_CALLS",
  },
  {
    id: "program-model",
    program: `\nwhile True:\n    answer(seq, {"type": "propose", "target": "model::infer", "args": {"model": "m", "prompt": "{}", "max_tokens": 1}})\n    seq, _ = observed()`,
    expected: "failed; E_AGENT_INVALID_CALLS",
  },
  {
    id: "program-fractions",
    program: `\nwhile True:\n    answer(seq, {"type": "propose", "target": "fs::list", "args": {"path": 1.5}})\n    seq, _ = observed()`,
    expected: "failed; E_AGENT_INVALID_CALLS",
  },
  {
    id: "program-loops",
    program: `\nwhile True:\n    answer(seq, {"type": "propose", "target": "fs::list", "args": {"path": "."}})\n    seq, _ = observed()`,
    expected: "failed; E_AGENT_LOOP; fs::list*4",
  },
  {
    id: "program-escapes",
    program: attempts,
    expected: "failed; E_AGENT_GAVE_UP; says got:",
    quick: true,
  },
];

/** Processes whose command line holds the mark, as the whole machine sees them. */
const marked = (mark: string): readonly number[] =>
  fs.readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });

const writeAgent = (folder: string, mark: string, workspace: string, program: string): void => {
  fs.mkdirSync(folder, { recursive: true });
  const wait = `def WAIT():\n    time.sleep(3)\n`;
  const head = `MARK = ${JSON.stringify(mark)}\nWORKSPACE = ${JSON.stringify(workspace)}\n${wait}`;
  fs.writeFileSync(path.join(folder, "main.py"), head + prelude + program);
  fs.writeFileSync(
    path.join(folder, "agent.toml"),
    `name = "bad"\nversion = "1"\nentry = ["python3", "main.py", ${JSON.stringify(mark)}]\n` +
      `tools = ["fs::list", "fs::write", "fs::mkdir"]\n`,
  );
};

/** Kills the program itself, once, when it has come so far. */
const killOnce = async (mark: string, came: () => boolean): Promise<void> => {
  while (!came()) await sleep(20);
  // It is in its own namespace: what shows its mark is the program and the tools around it.
  for (const pid of marked(mark)) {
    const name = fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    if (name.startsWith("python")) process.kill(pid, "SIGKILL");
  }
};

const perform = async (ground: Ground, each: ProgramCase): Promise<Came> => {
  const { id, program, stepMs = 20_000, kills, stops } = each;
  const workspace = workspaceOf(ground, id);
  const folder = pathOf(ground, `agents/${id}`);
  const mark = `mark-${id}-${process.pid}`;
  writeAgent(folder, mark, workspace, program);
  let actions = 0;
  const run = {
    text: "write made.txt",
    workspace,
    folder,
    stepMs,
    onView: ({ actions: seen }: { readonly actions: readonly unknown[] }) => {
      actions = seen.length;
    },
  };
  const session = await openRun(ground.data, run);
  const ended = startRun(ground.data, session, run);
  if (kills === true) {
    const settled = ended.then(() => true);
    await Promise.race([
      settled,
      killOnce(mark, () => actions > 0 && filesIn(workspace).length > 0),
    ]);
  }
  if (stops === true) {
    while (marked(mark).length === 0) await sleep(20);
    await stopRun(ground.data, session);
  }
  const view = await ended;
  const remarks: string[] = [];
  if (/hangs|stopped/.test(id)) remarks.push(marked(mark).length === 0 ? "gone" : "still there");
  const said = /(?:says |ends with: [\s\S]*?)((?:ValueError|got:)[^\n]*)$/.exec(
    `says ${view.error?.message ?? ""}`,
  )?.[1];
  if (said !== undefined) remarks.push(`says ${said}`);
  return { view, files: filesIn(workspace), remark: remarks.join(" ") };
};

export const programCases = async (ground: Ground): Promise<readonly SuiteCase[]> => {
  const { quick: isQuick, caseId } = ground.context;
  const chosen = cases.filter(
    ({ id, quick }) => wanted(ground, id) && (!isQuick || quick === true || caseId === id),
  );
  const control = await perform(ground, {
    id: "program-sound",
    program: "\nbehave(seq)",
    expected: written,
  });
  const did = control.view.state === "done" && control.files.includes("made.txt");
  return await inTurns(chosen, 3, async (each) => {
    ground.context.progress(each.id);
    return judged(each.id, each.expected, await perform(ground, each), did);
  });
};
