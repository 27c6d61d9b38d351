/**
 * Pairing and revoking the devices that answer for the person.
 *
 * A page offers its key and shows six digits; the person types them at the terminal, whose key
 * signs them together with the device. One offer waits at a time, for minutes, and a few wrong
 * guesses end it. What changed is durable in the receipt log before it counts.
 */
import { toHex } from "@ioi/base";
import { domains, p256PointBytes } from "@ioi/crypto";
import { type DeviceKind, pairStatement, type PairStatement, schema } from "@ioi/wire";
import { type GuardianCore, printable, rejected } from "./core.ts";
import {
  type AnyDeviceKind,
  deviceIdOf,
  type DeviceSigned,
  type PairedDevice,
} from "./device-book.ts";
import { deviceLimits, deviceVerdict } from "./device-signature.ts";
import { devicesMax, pairCodeMs, pairTriesMax } from "./limits.ts";

export interface DeviceOffer {
  readonly kind: string;
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly credentialId: Uint8Array;
  readonly origin: string;
}

export interface DeviceView {
  readonly id: Uint8Array;
  readonly kind: AnyDeviceKind;
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly pairedMs: number;
  readonly waits: boolean;
  readonly limits: string;
}

interface Waiting extends Omit<PairedDevice, "pairedMs" | "signCount"> {
  readonly code: string;
  readonly expiresMs: number;
  tries: number;
}

const p = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const b = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** On the curve y^2 = x^3 - 3x + b of P-256; the group has no cofactor. SEC 1, 2.3.4. */
const isPoint = (bytes: Uint8Array): boolean => {
  if (bytes.length !== p256PointBytes || bytes[0] !== 4) return false;
  const x = BigInt(`0x${toHex(bytes.subarray(1, 33))}`);
  const y = BigInt(`0x${toHex(bytes.subarray(33))}`);
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n;
};

const isKind = (kind: string): kind is DeviceKind => kind === "webcrypto" || kind === "webauthn";

/** A name that a terminal can show: letters, digits, spaces and plain punctuation. */
const plainName = (name: string): string =>
  name
    .replaceAll(/[^\p{L}\p{N} ._()-]/gu, "")
    .slice(0, 64)
    .toWellFormed()
    .trim();

export class DeviceSide {
  readonly #core: GuardianCore;
  #waiting: Waiting | undefined;
  /** A change is on its way to the disk. */
  #changing = false;

  constructor(core: GuardianCore) {
    this.#core = core;
  }

  #offered(): Waiting | undefined {
    const waiting = this.#waiting;
    return waiting !== undefined && this.#core.wall() < waiting.expiresMs ? waiting : undefined;
  }

  list(): readonly DeviceView[] {
    const terminals = this.#core.config.devices.map((key): DeviceView => ({
      id: key,
      kind: "terminal",
      name: "this terminal",
      publicKey: key,
      pairedMs: 0,
      waits: false,
      limits: deviceLimits("terminal"),
    }));
    const paired = this.#core.deviceBook.paired.map(
      ({ id, kind, name, publicKey, pairedMs }): DeviceView => {
        const limits = deviceLimits(kind);
        return { id, kind, name, publicKey, pairedMs, waits: false, limits };
      },
    );
    const waiting = this.#offered();
    if (waiting === undefined) return [...terminals, ...paired];
    const { id, kind, name, publicKey } = waiting;
    const limits = deviceLimits(kind);
    const view = { id, kind, name, publicKey, pairedMs: 0, waits: true, limits } as const;
    return [...terminals, ...paired, view];
  }

  /** A newer offer takes the place of an older one: the older one's digits then fit nothing. */
  offer(offer: DeviceOffer): {
    readonly device: Uint8Array;
    readonly code: string;
    readonly expiresMs: number;
  } {
    const { kind, publicKey, credentialId, origin } = offer;
    if (!isKind(kind)) throw rejected("E_DEVICE_INVALID", `a device of kind ${printable(kind)}`);
    if (!this.#core.config.approveOrigins.includes(origin)) {
      throw rejected("E_DEVICE_INVALID", `a key of ${printable(origin)} answers no cards`);
    }
    if (!isPoint(publicKey)) throw rejected("E_DEVICE_INVALID", "the key is no point of P-256");
    const needed = kind === "webauthn";
    if (credentialId.length > 1024 || credentialId.length > 0 !== needed) {
      throw rejected("E_DEVICE_INVALID", "the credential's id does not fit the kind");
    }
    const { paired } = this.#core.deviceBook;
    const id = deviceIdOf(this.#core.ports.provider, kind, publicKey);
    if (paired.some((each) => toHex(each.id) === toHex(id))) {
      throw rejected("E_DEVICE_INVALID", "this device is paired already");
    }
    if (paired.length >= devicesMax) {
      throw rejected("E_DEVICES_FULL", `${paired.length} devices are paired`);
    }
    const waiting: Waiting = {
      id,
      kind,
      name: plainName(offer.name) || kind,
      publicKey,
      credentialId,
      code: this.#code(),
      expiresMs: this.#core.wall() + pairCodeMs,
      tries: 0,
    };
    this.#waiting = waiting;
    return { device: id, code: waiting.code, expiresMs: waiting.expiresMs };
  }

  /** Six digits, all equally likely. */
  #code(): string {
    for (;;) {
      const bytes = this.#core.ports.random.fill(new Uint8Array(4));
      const number = new DataView(bytes.buffer).getUint32(0);
      if (number < 4_294_000_000) return String(number % 1_000_000).padStart(6, "0");
    }
  }

  /** The statement, signed by a device that may change which devices count. */
  #verified(answer: DeviceSigned): PairStatement {
    const verdict = deviceVerdict(this.#core, domains.pair, answer);
    if (!verdict.ok) throw rejected("E_DEVICE_SIGNATURE", verdict.why);
    if (verdict.kind === "webcrypto") {
      throw rejected("E_DEVICE_SIGNATURE", "a browser's key changes no devices");
    }
    const statement = schema.decode(pairStatement, answer.statement);
    if (!statement.ok) throw rejected("E_DEVICE_SIGNATURE", statement.error.message);
    return statement.value;
  }

  async pair(
    answer: DeviceSigned,
  ): Promise<{ readonly device: Uint8Array; readonly name: string }> {
    const statement = this.#verified(answer);
    if (statement.type !== "pair") throw rejected("E_DEVICE_SIGNATURE", "it pairs nothing");
    const waiting = this.#offered();
    if (waiting === undefined || toHex(waiting.id) !== toHex(statement.device)) {
      throw rejected("E_DEVICE_CODE", "this device does not wait for a code");
    }
    if (waiting.code !== statement.code) {
      waiting.tries++;
      if (waiting.tries >= pairTriesMax) this.#waiting = undefined;
      const left = pairTriesMax - waiting.tries;
      throw rejected("E_DEVICE_CODE", `the code is another one; ${left} tries are left`);
    }
    // Taken before the first await: the same code pairs once.
    this.#waiting = undefined;
    await this.#commit("pair", waiting, answer);
    const { id, name } = waiting;
    return { device: id, name };
  }

  async revoke(answer: DeviceSigned): Promise<void> {
    const statement = this.#verified(answer);
    if (statement.type !== "revoke") throw rejected("E_DEVICE_SIGNATURE", "it revokes nothing");
    const device = this.#core.deviceBook.get(statement.device);
    if (device === undefined || device.pairedMs !== statement.pairedMs) {
      throw rejected("E_DEVICE_UNKNOWN", "no such device is paired");
    }
    await this.#commit("revoke", device, answer);
  }

  async #commit(
    change: "pair" | "revoke",
    device: Pick<PairedDevice, "id" | "kind" | "name" | "publicKey" | "credentialId">,
    answer: DeviceSigned,
  ): Promise<void> {
    if (this.#changing) throw rejected("E_DEVICE_CODE", "another change is under way");
    this.#changing = true;
    try {
      await this.#core.commit({
        type: "device",
        atMs: this.#core.wall(),
        change,
        device: device.id,
        kind: device.kind,
        name: device.name,
        publicKey: device.publicKey,
        credentialId: device.credentialId,
        by: answer.device,
        statement: answer.statement,
        signature: answer.signature,
      });
    } finally {
      this.#changing = false;
    }
  }
}
