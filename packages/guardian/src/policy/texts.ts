/**
 * The policy's file and the texts that it had. A change goes in three steps, each durable before the
 * next: the new text lies beside (`policies/next.toml`), its leaf is in the log, the file is replaced.
 * After a crash the log says which of the two holds.
 *
 * Files, below the Guardian's folder: `policy.toml`; `policies/<hash>.toml` for texts that were in
 * force, named by their hash. Bounds: `policyBytesMax`, `policyTextsKeptMax`.
 */
import { equalBytes, type Files, toHex, utf8Decode, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { policyBytesMax } from "@ioi/firewall";
import type { PolicyChangeLeaf } from "./book.ts";
import { policyTextsKeptMax } from "../limits.ts";
import { policyTextHash } from "./tasks.ts";

const file = "policy.toml";
const folder = "policies";
const next = `${folder}/next.toml`;

export class PolicyTexts {
  readonly #files: Files;
  readonly #hashing: Hashing;

  private constructor(files: Files, hashing: Hashing) {
    this.#files = files;
    this.#hashing = hashing;
  }

  /** Ends what a crash left half done; `last` is the newest change in the log. */
  static async open(
    files: Files,
    hashing: Hashing,
    last: PolicyChangeLeaf | undefined,
  ): Promise<PolicyTexts> {
    const texts = new PolicyTexts(files, hashing);
    const waiting = await texts.#read(next);
    if (waiting !== undefined) {
      const logged = last !== undefined && equalBytes(texts.hashOf(waiting), last.after);
      if (logged) await files.replaceFile(file, utf8Encode(waiting), 0o600);
      await files.remove(next);
    }
    return texts;
  }

  hashOf(text: string): Uint8Array {
    return policyTextHash(this.#hashing, text);
  }

  /** The text of the file; undefined where it cannot be read as one. */
  async current(): Promise<string | undefined> {
    return await this.#read(file);
  }

  /**
   * Before the leaf: the text in force is kept, the next one is on the disk. `order`: hashes of the
   * texts that were in force, oldest first.
   */
  async prepare(before: string, after: string, order: readonly string[]): Promise<void> {
    if ((await this.#files.stat(folder)) === undefined) {
      await this.#files.makeDirectory(folder, 0o700);
    }
    for (const text of [before, after]) await this.#keep(text, order);
    await this.#files.replaceFile(next, utf8Encode(after), 0o600);
  }

  /** After the leaf. */
  async putInForce(after: string): Promise<void> {
    await this.#files.replaceFile(file, utf8Encode(after), 0o600);
    await this.#files.remove(next);
  }

  /** A change whose leaf could not be written. */
  async giveUp(): Promise<void> {
    if ((await this.#files.stat(next)) !== undefined) await this.#files.remove(next);
  }

  /** Hashes of the texts that are kept, in hex. */
  async kept(): Promise<readonly string[]> {
    if ((await this.#files.stat(folder)) === undefined) return [];
    const names = await this.#files.list(folder);
    return names.flatMap((name) => /^([0-9a-f]{64})\.toml$/.exec(name)?.[1] ?? []);
  }

  /** A kept text whose name and content agree. */
  async find(hash: string): Promise<string | undefined> {
    const text = await this.#read(`${folder}/${hash}.toml`);
    return text !== undefined && toHex(this.hashOf(text)) === hash ? text : undefined;
  }

  async #keep(text: string, order: readonly string[]): Promise<void> {
    const name = toHex(this.hashOf(text));
    const kept = await this.kept();
    if (kept.includes(name)) return;
    await this.#files.replaceFile(`${folder}/${name}.toml`, utf8Encode(text), 0o600);
    if (kept.length < policyTextsKeptMax) return;
    // What the log does not name goes first, then the oldest.
    const oldest = [...kept.filter((each) => !order.includes(each)), ...order].find((each) =>
      kept.includes(each),
    );
    if (oldest !== undefined) await this.#files.remove(`${folder}/${oldest}.toml`);
  }

  async #read(path: string): Promise<string | undefined> {
    const info = await this.#files.stat(path);
    if (info === undefined || info.kind !== "file" || info.size > policyBytesMax) return undefined;
    return utf8Decode(await this.#files.readFile(path, policyBytesMax));
  }
}
