/** `ioi scs`: memory files, with or without a kernel. */
import { type Command, Option } from "commander";
import { bind, type Build, examples, group } from "./build.ts";
import { collect, parseCount } from "./options.ts";

const file = "<file>";
const fileHelp = "the memory file";

const opened = (command: Command): Command =>
  command
    .argument(file, fileHelp)
    .option("--passphrase-file <file>", "its passphrase, in the first line of this file");

const embedded = (command: Command): Command =>
  command
    .option(
      "--embedder <which>",
      "none, hashed (built in), URL#MODEL of a server here, onnx:FOLDER",
    )
    .option("--allow-remote", "the embedder may be on another machine: texts leave this one");

const asked = (command: Command): Command =>
  embedded(opened(command).argument("<query...>", "what to look for"))
    .option("-k <n>", "at most so many", parseCount("-k"), 10)
    .addOption(
      new Option("--by <what>", "how to look")
        .choices(["auto", "words", "vectors"])
        .default("auto"),
    )
    .option("--ef <n>", "width of the search over vectors", parseCount("--ef"))
    .option("--from <time>", "said then or later, as 2024-05-01")
    .option("--to <time>", "said then or earlier")
    .option("--source <text>", "beginning of the source")
    .option("--tag <name>", "with this tag; each that is given", collect)
    .option("--origin <kind>", "as user or import; any that is given", collect)
    .option("--as-of <when>", "as it was at a commit's number or a time");

const nearest = (help: string): Option =>
  new Option("--nearest <how>", help).choices(["sampled", "exact"]);

const addChanges = (scs: Command, build: Build): void => {
  const create = embedded(opened(scs.command("create")))
    .description("make a memory file")
    .option("--plain", "no passphrase: whoever has the file can read it");
  examples(create, [
    "scs create notes.scs",
    "scs create notes.scs --plain --embedder http://127.0.0.1:11434/v1#nomic-embed-text",
  ]);
  bind(build, create, async () => (await import("./commands/scs/change.ts")).create);
  const add = embedded(opened(scs.command("add")).argument("[text...]", "memories; - reads one"))
    .description("remember")
    .option("--source <text>", "where it is from")
    .option("--tag <name>", "a tag", collect)
    .option("--said <time>", "when it was said, as 2024-05-01");
  examples(add, [
    `scs add notes.scs "the key is under the mat"`,
    "scs add notes.scs - --tag house < note.txt",
  ]);
  bind(build, add, async () => (await import("./commands/scs/change.ts")).add);
  const importFiles = embedded(opened(scs.command("import")).argument("<path...>", "files"))
    .description(
      "remember files: Markdown, text, JSONL, PDFs, chats, mail; again: only what is missing",
    )
    .option(
      "--kind <kind>",
      "markdown, text, jsonl, pdf, mbox, conversations (ChatGPT, Claude), whatsapp; absent: by name",
    )
    .option("--tag <name>", "a tag for all of it", collect)
    .option("--dates <order>", "of a chat of WhatsApp: dmy or mdy; absent: as it shows");
  examples(importFiles, [
    "scs import notes.scs diary.md paper.pdf",
    "scs import notes.scs conversations.json --tag chat --json",
  ]);
  bind(build, importFiles, async () => (await import("./commands/scs/import.ts")).importFiles);
  const agentKey = scs
    .command("agent-key")
    .description(
      "a key that memories are sealed to: made where it is not there; shows the public half",
    )
    .argument("<keys>", "the key file");
  examples(agentKey, ["scs agent-key agent.key", "scs agent-key agent.key --json"]);
  bind(build, agentKey, async () => (await import("./commands/scs/receive.ts")).agentKey);
  const receive = embedded(opened(scs.command("receive")).argument("<slice>", "what was shared"))
    .description("take memories that were sealed to your key; once, and as somebody else's")
    .option("--keys <file>", "the file of agent-key")
    .option("--sharer <key>", "the sharer's Guardian, in hex or in a file: it must vouch for them");
  examples(receive, [
    "scs receive notes.scs slice --keys agent.key --sharer guardian.pub",
    "scs receive notes.scs slice --keys agent.key --json",
  ]);
  bind(build, receive, async () => (await import("./commands/scs/receive.ts")).receive);
  const forget = opened(scs.command("forget"))
    .argument("<memory...>", "their numbers, as search shows them")
    .description("forget: the key of a memory is overwritten, nobody can read it any more");
  examples(forget, ["scs forget notes.scs 12", "scs forget notes.scs 12 13 --json"]);
  bind(build, forget, async () => (await import("./commands/scs/change.ts")).forget);
  const embed = embedded(opened(scs.command("embed"))).description(
    "vectors for memories that wait for theirs; of another embedder: for all of them, anew",
  );
  examples(embed, [
    "scs embed notes.scs",
    "scs embed notes.scs --embedder http://127.0.0.1:11434/v1#nomic-embed-text --json",
  ]);
  bind(build, embed, async () => (await import("./commands/scs/change.ts")).embed);
  const compact = opened(scs.command("compact")).description(
    "write the file anew without what was forgotten; numbers stay, proofs start over",
  );
  examples(compact, ["scs compact notes.scs"]);
  bind(build, compact, async () => (await import("./commands/scs/change.ts")).compact);
};

const addQueries = (scs: Command, build: Build): void => {
  const search = asked(scs.command("search")).description("the memories that fit a question best");
  examples(search, [
    "scs search notes.scs where is the key",
    "scs search notes.scs -k 3 --source diary.md --from 2024-01-01 garden",
  ]);
  bind(build, search, async () => (await import("./commands/scs/query.ts")).search);
  const prove = asked(scs.command("prove"))
    .description("the same, with a proof that somebody else can check")
    .requiredOption("--out <proof>", "where to write the proof; it must not exist")
    .option("--page <file>", "and a page that checks it in a browser, without network")
    .addOption(nearest("and that none is nearer by vector: by all of them, or by 460 drawn"))
    .option("--challenge <hex>", "draw by 64 digits that who checks it chose, knowing the root");
  examples(prove, [
    "scs prove notes.scs where is the key --out key.proof",
    "scs prove notes.scs where is the key --out key.proof --nearest sampled --challenge HEX",
    "scs prove notes.scs where is the key --out key.proof --page key.html",
  ]);
  bind(build, prove, async () => (await import("./commands/scs/query.ts")).prove);
  const verify = scs
    .command("verify")
    .description("check a proof against a root that you got elsewhere; no file is needed")
    .argument("<proof>", "as prove wrote it")
    .option("--root <hex>", "of the log")
    .option("--commit <hex>", "hash of the commit; it covers both roots")
    .option("--index-root <hex>", "of the index")
    .option("--checkpoint <note>", "what a Guardian vouches for: ./ioi receipts memory")
    .option("--key <key>", "the Guardian's public key, in hex or in a file")
    .addOption(nearest("refuse what does not show that none is nearer"))
    .option("--challenge <hex>", "refuse what is not drawn by these 64 digits, which you chose");
  examples(verify, [
    "scs verify key.proof --root HEX",
    "scs verify key.proof --commit HEX --json",
    "scs verify key.proof --commit HEX --challenge HEX",
    "scs verify key.proof --checkpoint memory.checkpoint --key guardian.pub",
  ]);
  bind(build, verify, async () => (await import("./commands/scs/query.ts")).verify);
};

const addLooks = (scs: Command, build: Build): void => {
  const info = opened(scs.command("info")).description("what a memory file holds, and its roots");
  examples(info, ["scs info notes.scs", "scs info notes.scs --json"]);
  bind(build, info, async () => (await import("./commands/scs/look.ts")).info);
  const audit = embedded(opened(scs.command("audit"))).description(
    "make the index again from the log and compare: finds what a builder left out",
  );
  examples(audit, ["scs audit notes.scs --json"]);
  bind(build, audit, async () => (await import("./commands/scs/look.ts")).audit);
  const doctor = embedded(opened(scs.command("doctor")))
    .description("look at every record and read every memory; writes nothing without --mend")
    .option("--mend", "make vectors again that do not open, from the memories");
  examples(doctor, ["scs doctor notes.scs", "scs doctor notes.scs --mend"]);
  bind(build, doctor, async () => (await import("./commands/scs/look.ts")).doctor);
  const exported = opened(scs.command("export"))
    .argument("<out>", "where to write; it must not exist")
    .option("--markdown", "a document of what is live, for reading")
    .description("every memory that can be read, as JSON lines");
  examples(exported, [
    "scs export notes.scs notes.jsonl",
    "scs export notes.scs notes.md --markdown",
  ]);
  bind(build, exported, async () => (await import("./commands/scs/look.ts")).exportMemories);
};

export const addScsCommands = (program: Command, build: Build): void => {
  const scs = group(
    program,
    "scs",
    "memory files: remember, find, prove, forget; no kernel needed",
  );
  addChanges(scs, build);
  addQueries(scs, build);
  addLooks(scs, build);
};
