/**
 * Secrets: values that a person entered, that agents may use and nobody may read again.
 *
 * File `guardian/secrets`: `ioi.secrets/1` and a line feed, a nonce (12), then AES-256-GCM under a
 * key derived from the key store, with that line as associated data, over the canonical list. Each
 * value is sealed once more inside, bound to its name and binding, and stays sealed in memory; it is
 * opened for the one request that it is leased to. A file replaced whole by an older one opens: only
 * a hardware anchor can tell.
 *
 * Invariants: a value leaves only into the header of a request that its binding names; names and
 * bindings can be listed, values cannot. Bounds: `secretsMax`, `secretCharsMax`.
 */
import {
  concatBytes,
  err,
  type Files,
  ok,
  OperationError,
  type Result,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { nameClass, parseCanonicalUrl, type PermittedRequest } from "@ioi/firewall";
import { decodeCanonical, encodeCanonical, schema } from "@ioi/wire";
import type { LeaseHeader } from "./leases.ts";
import { secretCharsMax, secretsFileBytesMax, secretsMax } from "./limits.ts";

const { array, bytes, int, record, text } = schema;

const binding = record({
  scheme: schema.oneOf("http", "https"),
  /** A name, a dotted quad or an IPv6 address without brackets. */
  host: text(253),
  port: int(1, 65_535),
  /** Empty: any. */
  method: text(16),
  /** Whole segments: `/v1` is `/v1` and all below it. */
  pathPrefix: text(1024),
  /** In small letters. */
  header: text(64),
  /** `{}` stands for the value. */
  template: text(256),
});
export type SecretBinding = schema.Infer<typeof binding>;

const entry = record({
  name: text(64),
  binding,
  createdMs: int(),
  usedMs: int(),
  sealed: bytes(undefined, 65_536),
});
const entries = array(entry, secretsMax);
type Entry = schema.Infer<typeof entry>;

export interface SecretView {
  readonly name: string;
  /** From the environment of the kernel's start: in memory only. */
  readonly offered: boolean;
  readonly binding: SecretBinding;
  readonly createdMs: number;
  /** 0: never. */
  readonly usedMs: number;
}

const path = "secrets";
const head = "ioi.secrets/1\n";
const nonceBytes = 12;

const refuse = (
  code: "E_SECRET_BINDING" | "E_SECRET_UNKNOWN" | "E_SECRET_INVALID",
  message: string,
): OperationError => new OperationError(code, message);

/** Headers that egress writes, or that are no place for a credential. */
const notFilled: ReadonlySet<string> = new Set([
  "accept-encoding",
  "connection",
  "content-length",
  "expect",
  "host",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const headerSafe = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

const urlOf = ({ scheme, host, port, pathPrefix }: SecretBinding) => {
  const name = host.includes(":") ? `[${host}]` : host;
  const own = port === (scheme === "https" ? 443 : 80);
  return parseCanonicalUrl(`${scheme}://${name}${own ? "" : `:${port}`}${pathPrefix}`);
};

const bindingComplaint = (given: SecretBinding): string | undefined => {
  const url = urlOf(given);
  if (!url.ok) return `the address: ${url.error}`;
  if (url.value.query !== "" || url.value.path !== given.pathPrefix) {
    return "the path's beginning is not canonical";
  }
  if (given.scheme === "http" && nameClass(url.value) !== "loopback") {
    return "over plain http a secret goes only to this machine; use https";
  }
  if (!/^[A-Z]{0,16}$/.test(given.method)) return "the method is no method";
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(given.header) || notFilled.has(given.header)) {
    return "the header is none that a secret may fill";
  }
  const parts = given.template.split("{}");
  return parts.length === 2 && headerSafe.test(parts.join("x"))
    ? undefined
    : "the template holds {} once, and otherwise printable ASCII";
};

const valueComplaint = (value: string): string | undefined =>
  value.length > secretCharsMax
    ? `more than ${secretCharsMax} characters`
    : headerSafe.test(value)
      ? undefined
      : "it is empty, or holds a line break, a control character, or one beyond ASCII";

/** Whole segments: `/v1` holds `/v1` and `/v1/x`, not `/v10`. */
const isBelow = (given: string, prefix: string): boolean =>
  given === prefix || given.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);

const fits = (
  { scheme, host, port, method, pathPrefix }: SecretBinding,
  { url, method: wanted }: PermittedRequest,
): boolean =>
  url.scheme === scheme &&
  url.host === host &&
  url.port === port &&
  (method === "" || method === wanted) &&
  isBelow(url.path, pathPrefix) &&
  // What a server may read as another path is not below any.
  !/%2f|%5c|%25|\/\//i.test(url.path);

const filled = ({ header, template }: SecretBinding, value: string): LeaseHeader => ({
  name: header,
  value: template.replace("{}", () => value),
});

export interface SecretPorts {
  readonly files: Files;
  readonly provider: CryptoProvider;
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly nowMs: () => number;
}

const damaged = (why: string): OperationError =>
  new OperationError("E_SECRETS_DAMAGED", `guardian/${path}: ${why}`);

const readEntries = ({ provider, key }: SecretPorts, file: Uint8Array): readonly Entry[] => {
  const line = utf8Encode(head);
  const said = utf8Decode(file.subarray(0, line.length));
  if (said !== head) {
    const newer = /^ioi\.secrets\/[0-9]/.test(said ?? "");
    throw newer
      ? new OperationError("E_SECRETS_FORMAT", `guardian/${path} is of a newer release`)
      : damaged("it does not begin as one");
  }
  const nonce = file.subarray(line.length, line.length + nonceBytes);
  const sealed = file.subarray(line.length + nonceBytes);
  const plain = nonce.length < nonceBytes ? undefined : provider.open(key, nonce, sealed, line);
  if (plain === undefined) throw damaged("it does not open under the key store's key");
  const decoded = decodeCanonical(plain);
  const list = decoded.ok ? entries.fromCanonical(decoded.value, "secrets") : undefined;
  if (list?.ok !== true) throw damaged("its list does not decode");
  return list.value;
};

export class SecretStore {
  readonly #ports: SecretPorts;
  readonly #entries: Map<string, Entry>;
  /** Names of entries that are not kept on the disk. */
  readonly #offered: Set<string> = new Set();
  #saving: Promise<void> = Promise.resolve();

  private constructor(ports: SecretPorts, list: readonly Entry[]) {
    this.#ports = ports;
    this.#entries = new Map(list.map((each) => [each.name, each]));
  }

  static async open(ports: SecretPorts): Promise<SecretStore> {
    if ((await ports.files.stat(path)) === undefined) return new SecretStore(ports, []);
    const file = await ports.files.readFile(path, secretsFileBytesMax);
    return new SecretStore(ports, readEntries(ports, file));
  }

  /** By name, in the order in which they were entered. */
  list(): readonly SecretView[] {
    return [...this.#entries.values()].map(({ name, binding: bound, createdMs, usedMs }) => ({
      name,
      offered: this.#offered.has(name),
      binding: bound,
      createdMs,
      usedMs,
    }));
  }

  /** Enters a value, in place of one of the same name. Durable when it resolves. */
  async set(name: string, value: string, given: SecretBinding): Promise<void> {
    // Shorter ones could not be told from other words of the person.
    if (!/^[A-Za-z][A-Za-z0-9_.-]{3,63}$/.test(name)) {
      throw refuse("E_SECRET_INVALID", "a name has 4 to 64 letters, digits, _ . and -");
    }
    const wrong = valueComplaint(value) ?? bindingComplaint(given);
    if (wrong !== undefined) throw refuse("E_SECRET_INVALID", `secret ${name}: ${wrong}`);
    if (!this.#entries.has(name) && this.#entries.size >= secretsMax) {
      throw refuse("E_SECRET_INVALID", `there are ${secretsMax} secrets already`);
    }
    const before = this.#entries.get(name);
    const wasOffered = this.#offered.delete(name);
    this.#entries.set(name, this.#entryOf(name, value, given));
    await this.#save(() => {
      this.#restore(name, before);
      if (wasOffered) this.#offered.add(name);
    });
  }

  /**
   * A value of the environment that the kernel was started in; false where it is none that a secret
   * can be, or a person entered another one under that name. Gone with the process.
   */
  offer(name: string, value: string, given: SecretBinding): boolean {
    const known = this.#entries.has(name) && !this.#offered.has(name);
    const full = !this.#entries.has(name) && this.#entries.size >= secretsMax;
    if (known || full || (valueComplaint(value) ?? bindingComplaint(given)) !== undefined) {
      return false;
    }
    this.#offered.add(name);
    this.#entries.set(name, this.#entryOf(name, value, given));
    return true;
  }

  #entryOf(name: string, value: string, given: SecretBinding): Entry {
    return {
      name,
      binding: given,
      createdMs: this.#ports.nowMs(),
      usedMs: 0,
      sealed: this.#seal(name, given, value),
    };
  }

  async remove(name: string): Promise<boolean> {
    const before = this.#entries.get(name);
    if (!this.#entries.delete(name)) return false;
    if (this.#offered.delete(name)) return true;
    await this.#save(() => this.#restore(name, before));
    return true;
  }

  /** Whether the secret may go with this request; a reason where it may not. */
  check(name: string, request: PermittedRequest): Result<null, OperationError> {
    const found = this.#entries.get(name);
    if (found === undefined) {
      return err(refuse("E_SECRET_UNKNOWN", "there is no secret of that name"));
    }
    if (!fits(found.binding, request)) {
      return err(refuse("E_SECRET_BINDING", `secret ${name} is bound to another address`));
    }
    return request.headers !== undefined && Object.hasOwn(request.headers, found.binding.header)
      ? err(refuse("E_SECRET_BINDING", `the request names the header that ${name} fills`))
      : ok(null);
  }

  /** The header that the secret fills for this one request. */
  headerFor(name: string, request: PermittedRequest): LeaseHeader {
    const checked = this.check(name, request);
    if (!checked.ok) throw checked.error;
    const found = this.#entries.get(name) as Entry;
    const value = this.#open(found);
    this.#entries.set(name, { ...found, usedMs: this.#ports.nowMs() });
    if (this.#offered.has(name)) return filled(found.binding, value);
    // When it was used is told to the person; losing it in a crash harms nobody.
    this.#save(() => undefined).catch(() => undefined);
    return filled(found.binding, value);
  }

  #restore(name: string, before: Entry | undefined): void {
    if (before === undefined) this.#entries.delete(name);
    else this.#entries.set(name, before);
  }

  #bound(name: string, given: SecretBinding): Uint8Array {
    return encodeCanonical({ name, binding: { ...given } });
  }

  #seal(name: string, given: SecretBinding, value: string): Uint8Array {
    const { provider, key } = this.#ports;
    const plain = utf8Encode(value);
    const nonce = provider.randomBytes(nonceBytes);
    const sealed = provider.seal(key, nonce, plain, this.#bound(name, given));
    plain.fill(0);
    return concatBytes(nonce, sealed);
  }

  #open({ name, binding: given, sealed }: Entry): string {
    const { provider, key } = this.#ports;
    const plain = provider.open(
      key,
      sealed.subarray(0, nonceBytes),
      sealed.subarray(nonceBytes),
      this.#bound(name, given),
    );
    const value = plain === undefined ? undefined : utf8Decode(plain);
    plain?.fill(0);
    if (value === undefined) throw damaged(`secret ${name} does not open`);
    return value;
  }

  /** One write after the other; `undo` where it fails. */
  async #save(undo: () => void): Promise<void> {
    const before = this.#saving;
    const write = async (): Promise<void> => {
      await before.catch(() => undefined);
      const { files, provider, key } = this.#ports;
      const line = utf8Encode(head);
      const plain = encodeCanonical(
        [...this.#entries.values()]
          .filter(({ name }) => !this.#offered.has(name))
          .map((each) => ({ ...each, binding: { ...each.binding } })),
      );
      const nonce = provider.randomBytes(nonceBytes);
      const sealed = provider.seal(key, nonce, plain, line);
      await files.replaceFile(path, concatBytes(line, nonce, sealed), 0o600);
    };
    this.#saving = write();
    try {
      await this.#saving;
    } catch (error) {
      undo();
      throw error;
    }
  }
}
