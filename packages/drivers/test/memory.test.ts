/** The memory driver before the compliance suite, and what it says of keys, origins and bad input. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { OperationError, toHex, unwrap } from "@ioi/base";
import {
  domainHash,
  domains,
  generateSealingKeys,
  sealBox,
  sealingPublicKey,
  signPayload,
} from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { wasmSource } from "@ioi/host/wasm";
import {
  agentId,
  HashedEmbedder,
  indexDimensionMax,
  openMemoryFile,
  openSlice,
  relaxedKernel,
} from "@ioi/scs";
import {
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
  type Obligation,
  outcome as outcomeSchema,
  type Prepared,
  prepared as preparedSchema,
  type Profile,
  profile as profileSchema,
  schema,
  signed,
  ticket as ticketSchema,
} from "@ioi/wire";
import { complianceSuite, type CompliancePlace } from "../src/compliance.ts";
import type { ActWant } from "../src/core/driver.ts";
import { createHandlers } from "../src/core/handlers.ts";
import { MemoryDriver } from "../src/memory/driver.ts";
import { MemoryFolder } from "../src/memory/file.ts";
import { RequestClaims } from "../src/net/claims.ts";
import { contentRef } from "./support.ts";

type Args = { readonly [name: string]: CanonicalValue };

const key = nodeCrypto.randomBytes(32);
const own = { session: "s1", agent: agentId(nodeCrypto, new Uint8Array(1952)) };
const text = (said: string): Uint8Array => new TextEncoder().encode(said);

const profile: Profile = {
  version: 1,
  kind: "memory",
  session: "s1",
  vault: "s1",
  roots: [],
  masks: [],
  network: "none",
  limits: { wallMs: 1, outputBytes: 1, memoryBytes: 1, processes: 1, fileBytes: 1 },
  policyHash: new Uint8Array(32),
};

const boxed = (prepared: Prepared, of = key, bound = prepared.actionId): Obligation => ({
  type: "memory",
  key: unwrap(sealBox(nodeCrypto, prepared.sealTo ?? new Uint8Array(), of, bound), "a box"),
});

/** A memory driver on a folder of its own. */
class Place implements AsyncDisposable {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-memory-"));
  readonly claims = path.join(this.folder, "claims");
  readonly memory = path.join(this.folder, "memory");
  readonly bootKey = nodeCrypto.generate("ed25519");
  readonly instanceKey = nodeCrypto.generate("ed25519");
  readonly instanceId = nodeCrypto.randomBytes(16);
  readonly profileHash = domainHash(
    nodeCrypto,
    domains.profile,
    schema.encode(profileSchema, profile),
  );
  readonly handlers;
  offsetMs = 0;
  #counter = 0n;

  constructor() {
    fs.mkdirSync(this.memory);
    const folder = new MemoryFolder({
      files: openFiles(this.memory),
      provider: nodeCrypto,
      now: () => Date.now(),
      embedder: new HashedEmbedder(),
      kernel: wasmSource(relaxedKernel),
    });
    this.handlers = createHandlers({
      driver: new MemoryDriver(folder, new RequestClaims(this.claims), nodeCrypto, own),
      provider: nodeCrypto,
      instanceKey: this.instanceKey,
      instanceId: this.instanceId,
      bootKey: this.bootKey.publicKey,
      profile,
      profileHash: this.profileHash,
      nowMs: () => performance.now() + this.offsetMs,
    });
  }

  async run(
    target: string,
    args: Args,
    content: Uint8Array = new Uint8Array(0),
    obligations = (prepared: Prepared): readonly Obligation[] => [boxed(prepared)],
  ) {
    const { signal } = new AbortController();
    const reply = await this.handlers.prepare({ target, args: encodeCanonical(args) }, { signal });
    const none: Record<string, CanonicalValue> = {};
    if (reply.errorCode !== "") {
      const evidence: Record<string, string> = {};
      return { status: "", code: reply.errorCode, evidence, result: none };
    }
    const prepared = unwrap(schema.decode(preparedSchema, reply.prepared), "prepared");
    const payload = schema.encode(ticketSchema, {
      version: 1,
      counter: ++this.#counter,
      actionId: prepared.actionId,
      target,
      session: "s1",
      agent: "a",
      policyHash: new Uint8Array(32),
      grantsHash: new Uint8Array(32),
      profileHash: this.profileHash,
      obligations: obligations(prepared),
      instanceId: this.instanceId,
      nonce: prepared.nonce,
      ttlMs: 30_000,
    });
    const envelope = signPayload(nodeCrypto, this.bootKey, domains.ticket, payload);
    const request = { nonce: prepared.nonce, ticket: schema.encode(signed, envelope), content };
    const counter = this.#counter;
    for await (const { event } of this.handlers.act(request, { signal })) {
      if (event.case === "want") await this.#answer(prepared.nonce, counter, event.value);
      if (event.case !== "result") continue;
      const {
        status,
        code = "",
        evidence,
      } = unwrap(schema.decode(outcomeSchema, event.value.outcome), "outcome");
      const result = unwrap(decodeCanonical(event.value.result), "result");
      return { status, code, evidence, result: result as Record<string, CanonicalValue> };
    }
    throw new Error("an act without a result");
  }

  /** What was asked to be embedded. */
  readonly asked: string[] = [];
  /** The answer to a want; text: why there is none, empty where no model was chosen. */
  model: (texts: readonly string[]) => Uint8Array | string = () => "";

  async #answer(nonce: Uint8Array, counter: bigint, want: ActWant): Promise<void> {
    const { signal } = new AbortController();
    assert.equal(want.target, "model::embed");
    const { texts } = unwrap(decodeCanonical(want.args), "want") as { texts: readonly string[] };
    this.asked.push(...texts);
    const answer = this.model(texts);
    if (typeof answer === "string") {
      await this.handlers.refuse({ counter, id: want.id, reason: answer }, { signal });
      return;
    }
    // In pieces, as they come.
    for (const bytes of [answer.subarray(0, 9), answer.subarray(9)]) {
      await this.handlers.input({ nonce, bytes, end: false }, { signal });
    }
  }

  remember(said: string, origin = "user", more?: Parameters<Place["run"]>[3]) {
    const content = text(said);
    const args = { content: contentRef(content), origin };
    return this.run("memory::remember", args, content, more);
  }

  async open() {
    const files = openFiles(this.memory);
    const at = { files, path: "memory.scs", provider: nodeCrypto, now: () => 0 };
    return openMemoryFile(at, "read", { type: "external", name: "ioi/guardian", key });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.handlers[Symbol.dispose]();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

const bytesOf = (place: Place): string =>
  fs.readFileSync(path.join(place.memory, "memory.scs")).toString("base64");

/** What a model's driver finds, as the performer of the act hands it on. */
const vectorsOf =
  (name: string, dimension = 8) =>
  (texts: readonly string[]): Uint8Array => {
    const vector = (said: string): readonly number[] =>
      Array.from({ length: dimension }, (_, i) => (said.charCodeAt(i % said.length) % 13) + 1);
    return text(
      `${JSON.stringify({ name })}\n${JSON.stringify({ embeddings: texts.map(vector) })}\n`,
    );
  };

describe("the memory driver, with a model for memories", () => {
  it("asks for vectors, goes on by words without, and makes up for what waited", async () => {
    await using place = new Place();
    place.model = vectorsOf("one");
    const first = await place.remember("The key is under the mat.");
    assert.equal(first.evidence["found_by"], "words and vectors of one");
    place.model = () => "it does not answer";
    const waits = await place.remember("Ann drinks tea.");
    assert.deepEqual(
      [waits.status, waits.evidence["no_vectors"], waits.evidence["without_vectors"]],
      ["confirmed", "it does not answer", "1"],
    );
    assert.match(
      Buffer.from(waits.result["content"] as Uint8Array).toString(),
      /waits for its vec/,
    );
    const found = await place.run("memory::recall", { query: "tea" });
    assert.deepEqual([found.evidence["memories"], found.evidence["found_by"]], ["1", "words"]);
    place.model = vectorsOf("one");
    place.asked.length = 0;
    const third = await place.remember("The gate is green.");
    assert.deepEqual(place.asked, ["The gate is green.", "Ann drinks tea."]);
    assert.equal(third.evidence["without_vectors"], undefined);
  });

  it("makes the file anew for another model, and never mixes", async () => {
    await using place = new Place();
    await place.remember("The key is under the mat.");
    place.model = vectorsOf("two", 24);
    const asked = await place.run("memory::recall", { query: "key" });
    assert.match(asked.evidence["no_vectors"] ?? "", /once something is remembered/);
    const kept = await place.remember("Ann drinks tea.");
    assert.equal(kept.evidence["found_by"], "words and vectors of two");
    await using file = await place.open();
    const { parameters, compactedFrom } = file.info;
    assert.deepEqual([parameters.embedder.name, parameters.index.dimension], ["two", 24]);
    assert.ok(compactedFrom !== undefined, "the log goes on");
    assert.equal((await file.read(0)).text, "The key is under the mat.");
  });

  it("takes nothing for a vector that is none", async () => {
    await using place = new Place();
    const bad = [
      "{}\n{}\n",
      "no json\n\n",
      `{"name":"one"}\n{"embeddings":[]}\n`,
      `{"name":"one"}\n{"embeddings":[[]]}\n`,
      `{"name":"one"}\n{"embeddings":[["1"]]}\n`,
      `{"name":"one"}\n{"embeddings":[[1],[2]]}\n`,
      `{"name":7}\n{"embeddings":[[1]]}\n`,
      `{"name":"one"}\n{"embeddings":[[0,0,0]]}\n`,
      `{"name":"one"}\n{"embeddings":[[1e300,1,1]]}\n`,
      `{"name":"one"}\n{"embeddings":[[1e-60,0,0]]}\n`,
      `{"name":"one"}\n{"embeddings":[[null,1,1]]}\n`,
      ...[2049, 4097, 16_384].map(
        (long) => `{"name":"one"}\n{"embeddings":[[${"1,".repeat(long - 1)}1]]}\n`,
      ),
    ].map(text);
    for (const answer of [...bad, Uint8Array.of(0xff, 10, 10)]) {
      place.model = () => answer;
      const found = await place.remember(`After ${answer.length}.`);
      assert.equal(found.status, "confirmed");
      assert.ok((found.evidence["no_vectors"] ?? "") !== "", Buffer.from(answer).toString());
    }
    place.model = () => text(`{"name":"one"}\n{"embeddings":[[0,0,0]]}\n`);
    const asked = await place.run("memory::recall", { query: "after" });
    assert.deepEqual([asked.status, asked.evidence["found_by"]], ["confirmed", "words"]);
    place.model = vectorsOf("one");
    const control = await place.remember("The control.");
    assert.equal(control.evidence["no_vectors"], undefined);
  });

  it("names a model whose vectors are too long for an index, and what to do", async () => {
    await using place = new Place();
    const longest = (count: number) => (texts: readonly string[]) =>
      text(
        `{"name":"one"}\n{"embeddings":[${texts.map(() => `[${"1,".repeat(count - 1)}1]`).join(",")}]}\n`,
      );
    place.model = longest(indexDimensionMax + 1);
    const kept = await place.remember("The key is under the mat.");
    assert.equal(kept.status, "confirmed");
    assert.equal(
      kept.evidence["no_vectors"],
      "its vectors have 2049 numbers, more than the 2048 that an index takes; " +
        "choose a smaller model: ./ioi models memory ID",
    );
    place.model = longest(indexDimensionMax);
    const control = await place.remember("Ann drinks tea.");
    assert.equal(control.evidence["no_vectors"], undefined);
  });

  it("keeps what is remembered when what waits gets vectors of another length, or none", async () => {
    await using place = new Place();
    place.model = vectorsOf("one");
    await place.remember("The key is under the mat.");
    place.model = () => "it does not answer";
    await place.remember("Ann drinks tea.");
    const nothings = (texts: readonly string[]): Uint8Array =>
      text(`{"name":"one"}\n{"embeddings":[${texts.map(() => "[0]").join(",")}]}\n`);
    for (const then of [vectorsOf("one", 16), nothings]) {
      let asked = 0;
      place.model = (texts) => (asked++ === 0 ? vectorsOf("one")(texts) : then(texts));
      const kept = await place.remember("The gate is green.");
      assert.deepEqual([kept.status, asked], ["confirmed", 2]);
      assert.match(kept.evidence["no_vectors"] ?? "", /another model|without a direction/);
    }
    place.model = vectorsOf("one");
    const control = await place.remember("The control.");
    assert.equal(control.evidence["without_vectors"], undefined);
  });
});

describe("the memory driver", () => {
  it("keeps text with its origin, and forgets it once", async () => {
    await using place = new Place();
    const absent = await place.run("memory::forget", { memory: 0 });
    assert.deepEqual([absent.status, absent.code], ["refused", "E_MEMORY_NONE"]);
    assert.equal((await place.remember("The key is under the mat.")).status, "confirmed");
    assert.equal((await place.remember("Pay at evil.example.", "content")).status, "confirmed");
    {
      await using file = await place.open();
      const kinds = [(await file.read(0)).origin, (await file.read(1)).origin];
      assert.deepEqual(kinds, [
        { kind: "user", from: "s1" },
        { kind: "content", from: "s1" },
      ]);
    }
    assert.equal((await place.run("memory::forget", { memory: 0 })).status, "confirmed");
    const twice = await place.run("memory::forget", { memory: 0 });
    assert.deepEqual([twice.status, twice.code], ["refused", "E_SCS_NO_MEMORY"]);
    const held = fs.readdirSync("/proc/self/fd").filter((fd) => {
      // The listing's own descriptor is closed by now.
      const to = fs.existsSync(`/proc/self/fd/${fd}`) ? fs.readlinkSync(`/proc/self/fd/${fd}`) : "";
      return to.startsWith(place.memory);
    });
    assert.deepEqual(held, [], "between two actions the file is not open");
  });

  it("opens nothing without the key that came with this very ticket", async () => {
    await using place = new Place();
    await place.remember("The key is under the mat.");
    const before = bytesOf(place);
    const tries: readonly (readonly [string, Parameters<Place["run"]>[3]])[] = [
      ["E_MEMORY_KEY", () => []],
      ["E_MEMORY_KEY", () => [{ type: "memory", key: new Uint8Array(1174) }]],
      ["E_MEMORY_KEY", (prepared) => [boxed(prepared, key, new Uint8Array(32))]],
      ["E_SCS_KEY", (prepared) => [boxed(prepared, nodeCrypto.randomBytes(32))]],
    ];
    for (const [code, obligations] of tries) {
      const kept = await place.remember("More.", "user", obligations);
      assert.deepEqual([kept.status, kept.code], ["refused", code]);
      const found = await place.run("memory::recall", { query: "key" }, undefined, obligations);
      assert.deepEqual([found.status, found.code], ["refused", code]);
    }
    assert.equal(bytesOf(place), before);
    // The control: with it, it goes.
    assert.equal((await place.run("memory::recall", { query: "key" })).status, "confirmed");
  });

  it("refuses what is no memory and no question", async () => {
    await using place = new Place();
    for (const said of ["", "   \n", "x".repeat(65_537)]) {
      assert.equal((await place.remember(said)).code, "E_ARGUMENTS_INVALID", said.slice(0, 9));
    }
    const bytes = Uint8Array.of(0xff, 0xfe);
    const args = { content: contentRef(bytes), origin: "user" };
    assert.equal((await place.run("memory::remember", args, bytes)).code, "E_ARGUMENTS_INVALID");
    assert.equal((await place.remember("a", "boss")).code, "E_ARGUMENTS_INVALID");
    const asked: readonly Args[] = [
      { query: " " },
      { query: "a".repeat(4097) },
      { query: "a", count: 0 },
      { query: "a", count: 51 },
      { query: "a", more: 1 },
    ];
    for (const each of asked) {
      assert.equal((await place.run("memory::recall", each)).code, "E_ARGUMENTS_INVALID");
    }
    for (const memory of [-1, "0"]) {
      assert.equal((await place.run("memory::forget", { memory })).code, "E_ARGUMENTS_INVALID");
    }
    assert.equal((await place.run("memory::send", {})).code, "E_TARGET_UNKNOWN");
    assert.equal(fs.existsSync(path.join(place.memory, "memory.scs")), false);
  });

  it("seals chosen memories to the very agent that was judged, with their proof", async () => {
    await using place = new Place();
    await place.remember("The key is under the mat.");
    await place.remember("Ann drinks tea.", "content");
    const keys = generateSealingKeys(nodeCrypto);
    const other = sealingPublicKey(generateSealingKeys(nodeCrypto));
    const hex = text(toHex(sealingPublicKey(keys)));
    const agent = toHex(agentId(nodeCrypto, sealingPublicKey(keys)));
    const give = (args: Args, content = hex) =>
      place.run("memory::share", { key: contentRef(content), agent, ...args }, content);
    const given = await give({ memory: "1" });
    assert.equal(given.status, "confirmed");
    const slice = given.result["content"] as Uint8Array;
    const opened = unwrap(openSlice(nodeCrypto, slice, { keys }), "a slice");
    assert.deepEqual(
      opened.memories.map(({ text: said, origin }) => [said, origin.kind]),
      [["Ann drinks tea.", "shared"]],
    );
    assert.deepEqual([opened.isVouched, opened.from], [false, own.agent]);
    assert.equal(Buffer.from(slice).includes("Ann drinks tea."), false);
    assert.equal((await give({ memory: "1" }, text(toHex(other)))).code, "E_ARGUMENTS_INVALID");
    assert.equal((await give({ memory: "1" }, text("no key"))).code, "E_ARGUMENTS_INVALID");
    const short = toHex(agentId(nodeCrypto, Uint8Array.of(1, 2)));
    const malformed = await give({ memory: "1", agent: short }, text("0102"));
    assert.deepEqual([malformed.status, malformed.code], ["refused", "E_SLICE_KEY"]);
    for (const memory of [
      "",
      "1,1",
      "1;2",
      "-1",
      "x",
      Array.from({ length: 33 }, (_, i) => i).join(","),
    ]) {
      assert.equal((await give({ memory })).code, "E_ARGUMENTS_INVALID", memory);
    }
    assert.equal((await give({ memory: "7" })).code, "E_SCS_NO_MEMORY");
    await place.run("memory::forget", { memory: 1 });
    assert.equal((await give({ memory: "1" })).code, "E_SCS_NO_MEMORY");
  });

  /** As soon as the action before has given it back. */
  const takeTurn = async (folder: string): Promise<AsyncDisposable> => {
    for (;;) {
      try {
        return await openFiles(folder).lock("memory.turn");
      } catch (error) {
        if (!(error instanceof OperationError) || error.code !== "E_FILES_LOCKED") throw error;
        await setImmediate();
      }
    }
  };

  it("complies", async () => {
    const compliant = (): CompliancePlace => {
      const place = new Place();
      let turn: Promise<AsyncDisposable> | undefined;
      let made = 0;
      const remember = (said: string) => {
        const content = text(said);
        const args = { content: contentRef(content), origin: "user" };
        return { target: "memory::remember", args, content };
      };
      return {
        handlers: place.handlers,
        bootKey: place.bootKey,
        instancePublicKey: place.instanceKey.publicKey,
        instanceId: place.instanceId,
        session: "s1",
        profileHash: place.profileHash,
        obligations: (prepared) => [boxed(prepared)],
        advanceMs: (ms) => {
          place.offsetMs += ms;
        },
        // Of the memory folder the test itself holds one, above.
        folders: [place.claims],
        effects: () =>
          fs.readdirSync(place.claims).filter((name) => {
            const said = fs.readFileSync(path.join(place.claims, name), "utf8");
            return said.endsWith("confirmed\n");
          }).length,
        effect: () => remember(`effect ${++made}`),
        look: () => ({ target: "memory::recall", args: { query: "effect" } }),
        refused: () => ({ target: "memory::recall", args: { query: "" } }),
        endless: () => {
          // Somebody else has the turn.
          turn = takeTurn(place.memory);
          return { action: remember("endless"), running: () => false, announces: false };
        },
        leftovers: () => fs.readdirSync(place.claims).filter((name) => !/^[0-9]{20}$/.test(name)),
        [Symbol.asyncDispose]: async () => {
          await (await turn)?.[Symbol.asyncDispose]();
          await place[Symbol.asyncDispose]();
        },
      };
    };
    const cases = await complianceSuite(compliant, nodeCrypto);
    const failed = cases.filter(({ passed }) => !passed);
    assert.deepEqual(failed, []);
    assert.ok(cases.length > 20);
  });
});
