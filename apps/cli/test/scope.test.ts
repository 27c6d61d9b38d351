/** The scope card at a terminal: what is shown is what is signed, and a no is a no. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { OperationError, toHex, unwrap, utf8Encode } from "@ioi/base";
import { domainBytes, domainHash, domains } from "@ioi/crypto";
import { offeredScope, scopeCard, type ScopePick } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { type pb, schema, scopeStatement } from "@ioi/wire";
import { beginScope, type ScopeOptions } from "../src/commands/scope.ts";
import type { CommandContext } from "../src/context.ts";
import type { Kernel } from "../src/kernel/connection.ts";
import { temporaryFolder } from "./support.ts";

const words = "tidy ~/Downloads and ~/gone";

/** A Guardian that offers as the real one does, and remembers what it was asked. */
class Desk implements Disposable {
  readonly #place = temporaryFolder();
  readonly home: string;
  readonly asked: ScopePick[][] = [];
  readonly revoked: string[] = [];
  accepted: { statement: Uint8Array; signature: Uint8Array; device: Uint8Array } | undefined;
  text = "";
  /** What the Guardian shows instead of the card that its statement names. */
  lies = "";
  needless = false;
  #now = 0;
  readonly #key = nodeCrypto.generate("ed25519");

  constructor() {
    this.home = fs.realpathSync(this.#place.path);
    fs.mkdirSync(path.join(this.home, "data/device"), { recursive: true });
    fs.mkdirSync(path.join(this.home, "real"));
    fs.writeFileSync(path.join(this.home, "real/a.txt"), "a");
    fs.symlinkSync("real", path.join(this.home, "Downloads"));
    const publicKey = toHex(this.#key.publicKey);
    const seed = toHex(nodeCrypto.exportPrivate(this.#key));
    const file = path.join(this.home, "data/device/terminal.key");
    fs.writeFileSync(file, JSON.stringify({ publicKey, seed }), { mode: 0o600 });
  }

  get publicKey(): Uint8Array {
    return this.#key.publicKey;
  }

  #offer(request: Partial<pb.ProposeScopeRequest>): Partial<pb.ProposeScopeReply> {
    const picks = (request.picks ?? []) as unknown as ScopePick[];
    this.asked.push(picks);
    const { scope, warnings, pickWanted } = offeredScope({
      session: "s-1",
      words: [words],
      picks,
      home: this.home,
      model: "",
      microusdMax: Number(request.microusdMax ?? 0n) || 500_000,
      wallMinutesMax: request.wallMinutesMax || 20,
      actionsMax: request.actionsMax || 200,
      complaint: () => undefined,
    });
    const card = scopeCard(scope, warnings, this.home);
    const cardHash = domainHash(nodeCrypto, domains.card, utf8Encode(card));
    const policyHash = new Uint8Array(32);
    const canonical = schema.encode(scopeStatement, { version: 1, scope, cardHash, policyHash });
    return {
      scope: { ...scope, microusdMax: BigInt(scope.microusdMax) } as unknown as pb.Scope,
      card: this.lies || card,
      cardHash,
      canonical,
      needless: this.needless,
      warnings: [...warnings],
      pickWanted,
    };
  }

  kernel(): Kernel {
    const scopes = {
      proposeScope: async (request: Partial<pb.ProposeScopeRequest>) => this.#offer(request),
      acceptScope: async (answer: NonNullable<Desk["accepted"]>) => {
        this.accepted = answer;
        return { receiptIndex: 1n };
      },
    };
    const person = {
      revoke: async ({ session }: { readonly session: string }) => {
        this.revoked.push(session);
        return {};
      },
    };
    return {
      scopes: async () => scopes,
      person: async () => person,
      recover: async () => undefined,
    } as unknown as Kernel;
  }

  async begin(
    keys: readonly (readonly [string, number])[],
    changes: Partial<ScopeOptions> = {},
  ): Promise<string> {
    const left = [...keys];
    const context = {
      io: {
        err: (text: string) => (this.text += text),
        typed: () => () => undefined,
        now: () => this.#now,
        readKey: async () => {
          const [key, afterMs] = left.shift() ?? ["", 0];
          this.#now += afterMs;
          if (key === "") throw new OperationError("E_TEST", "nobody answers");
          return key;
        },
      },
      output: { progress: (text: string) => (this.text += `${text}\n`) },
      signal: new AbortController().signal,
      dataFolder: path.join(this.home, "data"),
    } as unknown as CommandContext;
    const options = { session: "s-1", workspace: "", access: undefined, model: "", ...changes };
    try {
      await beginScope(context, this.kernel(), options);
      return "";
    } catch (error) {
      assert.ok(error instanceof OperationError, String(error));
      return error.code;
    }
  }

  [Symbol.dispose](): void {
    this.#place[Symbol.dispose]();
  }
}

test("attached files stand on the card that is signed, beside the folders that words name", async () => {
  using desk = new Desk();
  const file = path.join(desk.home, "real", "a.txt");
  assert.equal(await desk.begin([["s", 700]], { attach: [file] }), "");
  assert.deepEqual(desk.asked.at(-1)?.at(-1), { kind: "file", value: file, access: "" });
  assert.ok(desk.accepted !== undefined);
  const { statement } = desk.accepted;
  const { scope } = unwrap(schema.decode(scopeStatement, statement), "statement");
  assert.deepEqual(scope.files, [file]);
  assert.match(desk.text, /file {6}.*real\/a\.txt, picked/);
});

test("start signs the scope of the card that was shown, with folders by their real names", async () => {
  using desk = new Desk();
  assert.equal(await desk.begin([["s", 700]]), "");
  const real = path.join(desk.home, "real");
  assert.match(desk.text, /"~\/gone" is not there/);
  assert.deepEqual(desk.asked.at(-1), [{ kind: "folder", value: real, access: "organise" }]);
  assert.ok(desk.accepted !== undefined);
  const { statement, signature, device } = desk.accepted;
  const signed = domainBytes(domains.scope, statement);
  assert.ok(nodeCrypto.verify("ed25519", desk.publicKey, signed, signature));
  assert.equal(toHex(device), toHex(desk.publicKey));
  const { scope } = unwrap(schema.decode(scopeStatement, statement), "statement");
  assert.deepEqual(
    scope.folders.map((each) => each.path),
    [real],
  );
  assert.match(desk.text, /~\/real: read, sort, rename \(undoable 7 days\)/);
});

test("a card that just appeared takes no key; no other key starts", async () => {
  using desk = new Desk();
  const early: readonly (readonly [string, number])[] = [
    ["s", 100],
    ["s", 400],
    ["\r", 300],
    [" ", 10],
    ["y", 10],
  ];
  assert.equal(await desk.begin(early), "E_TEST");
  assert.equal(desk.accepted, undefined);
});

test("no ends the session", async () => {
  using desk = new Desk();
  assert.equal(await desk.begin([["n", 700]]), "E_CLI_SCOPE_REFUSED");
  assert.deepEqual([desk.accepted, desk.revoked], [undefined, ["s-1"]]);
});

test("a change is offered anew, shown anew, and only then signed", async () => {
  using desk = new Desk();
  const keys: readonly (readonly [string, number])[] = [
    ["c", 700],
    ["r", 10],
    ["s", 100],
    ["c", 700],
    ["+", 10],
    ["c", 700],
    ["b", 10],
    ["s", 700],
  ];
  assert.equal(await desk.begin(keys), "");
  const { scope } = unwrap(
    schema.decode(scopeStatement, desk.accepted?.statement ?? new Uint8Array()),
    "statement",
  );
  assert.deepEqual(
    [scope.folders.map(({ access }) => access), scope.wallMinutesMax, scope.actionsMax],
    [["read"], 40, 400],
  );
  assert.equal(desk.text.match(/^scope$/gm)?.length, 4);
});

test("a card that is not the statement's is not signed", async () => {
  using desk = new Desk();
  desk.lies = "nothing at all\n";
  assert.equal(await desk.begin([["s", 700]]), "E_CLI_CARD_MISMATCH");
  assert.equal(desk.accepted, undefined);
});

test("a picked folder is the scope, for what it was picked; nothing is asked where nothing is to be", async () => {
  using desk = new Desk();
  assert.equal(await desk.begin([["s", 700]], { workspace: "/w", access: "read" }), "");
  assert.deepEqual(desk.asked, [[{ kind: "folder", value: "/w", access: "read" }]]);
  using direct = new Desk();
  direct.needless = true;
  assert.equal(await direct.begin([]), "");
  assert.deepEqual([direct.text, direct.accepted], ["", undefined]);
});
