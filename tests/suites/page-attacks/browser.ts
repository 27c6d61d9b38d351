/** Attacks that need a browser: what it would run, frame, send or press. */
import type { Attack } from "./attack.ts";
export class BrowserGround implements AsyncDisposable {
  static async open(_chromium: string): Promise<BrowserGround> {
    return new BrowserGround();
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}
export const browserAttacks: readonly Attack<BrowserGround>[] = [];
