/**
 * The policy in force. The file is looked at before every decision (a stamp, no read), so that a
 * change counts from the next action on; a policy that does not load denies everything until it is
 * mended.
 */
import { err, ok, type Result } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import { type CompiledPolicy, compilePolicy, type PolicyError } from "@ioi/firewall";

/** The file, as the shell gives it. Synchronous: it stands on the path of every decision. */
export interface PolicyFile {
  readonly name: string;
  /** Changes whenever the content may have changed; undefined where there is no file. */
  stamp(): string | undefined;
  text(): string;
}

export interface PolicyInForce {
  readonly policy: Result<CompiledPolicy, PolicyError>;
  /** True for the first look after a change. */
  readonly changed: boolean;
}

const missing = (name: string): PolicyError => ({
  code: "E_POLICY_UNREADABLE",
  message: "the policy file is missing or cannot be read",
  at: { file: name, line: 1, column: 1 },
});

export class PolicySourceReader {
  readonly #file: PolicyFile;
  readonly #hashing: Hashing;
  #stamp: string | undefined;
  #policy: Result<CompiledPolicy, PolicyError>;

  constructor(file: PolicyFile, hashing: Hashing) {
    this.#file = file;
    this.#hashing = hashing;
    this.#policy = err(missing(file.name));
  }

  current(): PolicyInForce {
    const stamp = this.#file.stamp();
    if (stamp !== undefined && stamp === this.#stamp)
      return { policy: this.#policy, changed: false };
    this.#stamp = stamp;
    this.#policy = stamp === undefined ? err(missing(this.#file.name)) : this.#load();
    return { policy: this.#policy, changed: true };
  }

  #load(): Result<CompiledPolicy, PolicyError> {
    let text: string;
    try {
      text = this.#file.text();
    } catch {
      return err(missing(this.#file.name));
    }
    const compiled = compilePolicy([{ tier: "user", file: this.#file.name, text }], this.#hashing);
    if (compiled.ok) return ok(compiled.value);
    return err(compiled.error[0] ?? missing(this.#file.name));
  }
}
