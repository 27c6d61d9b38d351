/** Which key a browser's approval page holds, as far as it said so in this life; bounded. */
import { equalBytes, Lru } from "@ioi/base";
import { browsersMax } from "./limits.ts";

const nothing = new Uint8Array(0);

export class Browsers {
  readonly #devices: Lru<string, Uint8Array> = new Lru(browsersMax);

  deviceOf(browser: string): Uint8Array {
    return this.#devices.get(browser) ?? nothing;
  }

  /** True where it is another key than before. */
  setDevice(browser: string, device: Uint8Array): boolean {
    const before = this.deviceOf(browser);
    this.#devices.set(browser, device);
    return !equalBytes(before, device);
  }
}
