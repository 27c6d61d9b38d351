/**
 * What a driver is: `prepare` looks and changes nothing, `act` does what a ticket permits with the
 * very descriptors that `prepare` opened.
 */
import type { Result } from "@ioi/base";
import type { CanonicalValue, ContentRef, DriverKind, Facts, JsonValue } from "@ioi/wire";
import type { ErrorCode } from "../errors.ts";
import type { Settlement } from "../effects/settle.ts";
import type { DriverRejection } from "../fs/roots.ts";

export type ObligationType = "snapshot" | "stage" | "flow" | "origins" | "sandbox" | "memory";

/** What a program may not see, and what it may see and not change. */
export interface Restricted {
  readonly hidden: readonly string[];
  readonly readOnly: readonly string[];
}

export interface ActContext {
  readonly counter: bigint;
  readonly actionId: Uint8Array;
  /** Canonical `signed` ticket and the canonical `action`: what egress wants to see. */
  readonly ticket: Uint8Array;
  readonly action: Uint8Array;
  readonly obligations: ReadonlySet<ObligationType>;
  /** Of a program; absent: nothing beside the profile. */
  readonly restricted?: Restricted;
  /** Of an action on memories: what opens their file, in a box for this instance. */
  readonly memoryKey?: Uint8Array;
  /** Of one that gives memories away: the Guardian's signed checkpoint of the file's log. */
  readonly checkpoint?: string;
  /** What the action's content reference commits to, verified. */
  readonly content: Uint8Array;
  readonly signal: AbortSignal;
  /** Output of a running command, bounded by the driver. */
  output(bytes: Uint8Array, stream?: "output" | "errors"): void;
  /** The running program asks for what its ticket does not permit: an action of its own. */
  want(want: ActWant): void;
  /** What a person types for the program; set by whoever reads it. */
  readonly input: InputSource;
}

export interface ActWant {
  readonly id: number;
  readonly target: string;
  /** Canonical map of canonical arguments. */
  readonly args: Uint8Array;
}

/** Where the standard input of a running program comes from. */
export interface InputSource {
  /** Takes pieces as they come, `undefined` at the end; what came before is given at once. */
  read(take: (bytes: Uint8Array | undefined) => void): void;
}

export interface ActReport {
  /** `unknown`: it may have happened, and nobody here can tell. */
  readonly status: "confirmed" | "partial" | "no-effect" | "refused" | "unknown";
  readonly code?: ErrorCode;
  readonly message?: string;
  readonly result: { readonly [name: string]: CanonicalValue };
  /** What a tool answered, where the ticket wants to know where values of it come from. */
  readonly answer?: JsonValue;
  /** Bytes read or written. */
  readonly bytes: number;
  readonly reversible: boolean;
  readonly evidence: Readonly<Record<string, string>>;
}

/** What an action would change, for a person: the contents it goes between, and the text. */
export interface Preview {
  readonly before?: Uint8Array;
  readonly after?: Uint8Array;
  readonly text: string;
}

/** An action with everything it speaks of held open. */
export interface PreparedAction extends Disposable {
  readonly facts: Readonly<Record<string, Facts>>;
  /** Changes the world: its ticket's counter is claimed in the vault first. */
  readonly effect: boolean;
  readonly content: ContentRef | undefined;
  /** Whom what opens the memory file is sealed to. */
  readonly sealTo?: Uint8Array;
  /** Its content is in egress' hands alone, which keeps what a ticket says of it. */
  readonly contentInEgress?: true;
  /** Obligations that this action can keep. */
  readonly keeps: ReadonlySet<ObligationType>;
  act(context: ActContext): Promise<ActReport>;
  /** Of an action that changes a file's content. Takes what `act` would be given, verified. */
  readonly preview?: (content: Uint8Array) => Promise<Result<Preview, DriverRejection>>;
}

export interface Driver extends Disposable {
  readonly kind: DriverKind;
  /** Looks up; no effect, no content. `args` are decoded but not yet checked. */
  prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
    signal: AbortSignal,
  ): Promise<Result<PreparedAction, DriverRejection>>;
  /** Takes a counter for one act, until disposed of; undefined where it was taken before. */
  claim(counter: bigint): Disposable | undefined;
  settle(counter: bigint): Promise<Settlement>;
  /** A want of the act under this ticket is refused; without programs there is none. */
  refuse?(counter: bigint, id: number, reason: string): Promise<void>;
}

export const refused = (error: DriverRejection): ActReport => ({
  status: "refused",
  code: error.code,
  message: error.message,
  result: {},
  bytes: 0,
  reversible: false,
  evidence: {},
});
