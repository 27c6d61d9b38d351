/**
 * Another program answers where the confirmed model of this machine stood: it took the port, or it was
 * handed the listening socket of the very program that was confirmed. It gets no byte of a prompt. The
 * confirmed program itself is asked, before each; the control is a client that believes the port.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { listenerOf } from "@ioi/host/proc";
import { ioi } from "../kernel.ts";
import { confirmModel } from "../models.ts";
import { type KernelCase, type KernelPlace, policyText } from "./kernel-place.ts";
import type { Judged } from "./place.ts";

const chunk = (choice: object, more: object = {}): string =>
  `data: ${JSON.stringify({
    id: "c1",
    object: "chat.completion.chunk",
    created: 1,
    model: "scripted-1",
    choices: [{ index: 0, finish_reason: null, ...choice }],
    ...more,
  })}\n\n`;

const answer = [
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
  chunk({ delta: { role: "assistant", content: "Hello." } }),
  chunk(
    { delta: {}, finish_reason: "stop" },
    { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } },
  ),
  "data: [DONE]\n\n",
].join("");

/** Keeps what it is told in a file, and answers as a model does; the socket is its third descriptor. */
const squatter = `
import pathlib, socket, sys
answer, kept = pathlib.Path(sys.argv[1]).read_bytes(), pathlib.Path(sys.argv[2])
listener = socket.socket(fileno=3)
while True:
    peer, _ = listener.accept()
    peer.settimeout(2)
    try:
        while piece := peer.recv(65536):
            kept.write_bytes((kept.read_bytes() if kept.exists() else b"") + piece)
            if b"\\r\\n\\r\\n" in kept.read_bytes() and piece.rstrip().endswith(b"}"):
                break
        peer.sendall(answer)
    except OSError:
        pass
    peer.close()
`;

/**
 * Listens on the port that it is given (0: any), says on which, and then does one of three things:
 * answers itself (`own`), has the other program take its connections (`hands`), or becomes it
 * (`becomes`).
 */
const server = `
use Socket; $| = 1; $^F = 9;
my ($how, $port, $answer, $kept, $squatter) = @ARGV;
socket(S, PF_INET, SOCK_STREAM, 0); setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1);
bind(S, sockaddr_in($port, INADDR_LOOPBACK)) or die "bind: $!"; listen(S, 9);
my @other = ("/usr/bin/python3", "-c", $squatter, $answer, $kept);
if (fileno(S) != 3) { open(T, ">&=3"); require POSIX; POSIX::dup2(fileno(S), 3); }
print((sockaddr_in(getsockname(S)))[0], "\\n");
if ($how eq "becomes") { exec @other }
if ($how eq "hands") { if (!fork) { exec @other } sleep 600; exit }
open(F, "<", $answer); local $/; my $text = <F>; $/ = "\\r\\n";
while (accept(C, S)) {
  my $length = 0;
  while (my $line = <C>) { last if $line eq "\\r\\n"; $length = $1 if $line =~ /^content-length: (\\d+)/i }
  read(C, my $body, $length); print C $text; close C;
}
`;

interface Served extends AsyncDisposable {
  readonly port: number;
}

const serve = async (
  how: "own" | "hands" | "becomes",
  port: number,
  files: readonly [answer: string, kept: string],
): Promise<Served> => {
  const args = ["-e", server, how, String(port), ...files, squatter];
  const child: ChildProcess = spawn("/usr/bin/perl", args, {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const ended = once(child, "exit");
  const [line] = (await Promise.race([
    child.stdout === null ? ended : once(child.stdout, "data"),
    ended,
  ])) as [Buffer | number | null];
  const end = async (): Promise<void> => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    await ended;
  };
  return { port: Number(String(line)), [Symbol.asyncDispose]: end };
};

const question = "what-only-the-model-may-read";

const ask = async (at: KernelPlace): Promise<string> => {
  const args = ["run", question, "--data", at.world.data, "--workspace", at.folder(), "--json"];
  const { json, stderr } = await ioi(args);
  const view = (json ?? {}) as { readonly state?: string; readonly error?: { message: string } };
  return view.state === undefined ? stderr : `${view.state} ${view.error?.message ?? ""}`.trim();
};

/** A client that believes whoever listens. */
const naive = async (port: number): Promise<void> => {
  const reply = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ question }),
  });
  await reply.text();
};

const squatted = (name: string, how: "hands" | "becomes", seen: RegExp): KernelCase => ({
  id: `squatted-model-port/${name}`,
  run: async (at) => {
    at.policy(`${policyText}
[[rule]]
id = "models"
effect = "allow"
target = ["model::infer"]
`);
    try {
      return await attacked(at, name, how, seen);
    } finally {
      at.policy(policyText);
    }
  },
});

const attacked = async (
  at: KernelPlace,
  name: string,
  how: "hands" | "becomes",
  seen: RegExp,
): Promise<Omit<Judged, "id">> => {
  const folder = at.folder();
  const [answerFile, kept] = [path.join(folder, "answer"), path.join(folder, "kept")];
  fs.writeFileSync(answerFile, answer);
  const got = (): boolean =>
    fs.existsSync(kept) && fs.readFileSync(kept, "latin1").includes(question);
  let port: number;
  let first: string;
  {
    await using model = await serve("own", 0, [answerFile, kept]);
    port = model.port;
    const url = `http://127.0.0.1:${port}/v1`;
    await confirmModel(at.world.data, { url, port }, { id: `local/${name}`, protocol: "openai" });
    first = await ask(at);
  }
  await using _squatter = await serve(how, port, [answerFile, kept]);
  const listens = listenerOf(port)?.program ?? "";
  const said = await ask(at);
  const harmed = got();
  await naive(port);
  return {
    control: first === "done" && got(),
    held: !harmed && seen.test(said),
    expected: "the confirmed program is asked, the other is not",
    actual: `${first}; then ${said}; ${path.basename(listens)} listens; ${harmed ? "HARM" : "no harm"}`,
  };
};

export const squattedModelCases: readonly KernelCase[] = [
  squatted("takes-the-port", "becomes", /on port \d+ listens .*not what was confirmed/),
  squatted("takes-the-connection", "hands", /was taken by .*not what was confirmed/),
];
