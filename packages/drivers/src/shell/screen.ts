/**
 * What a person would see of a terminal: xterm's screen without a browser. What came since a moment
 * is told as lines of text; of a program that takes the whole screen, the screen.
 *
 * Bounds: `shellScrollbackLines` behind the screen; what went beyond it is counted as left out.
 */
import type { IBufferLine, IMarker, Terminal } from "@xterm/headless";
import { shellColumns, shellRows, shellScrollbackLines } from "../limits.ts";

const textOf = (line: IBufferLine | undefined): string => line?.translateToString(true) ?? "";

export class Screen implements Disposable {
  readonly #terminal: Terminal;
  /** Where what was not told yet begins; undefined before the first telling. */
  #mark: IMarker | undefined;
  /** Characters of that line that were told. */
  #column = 0;

  private constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** `answer`: what the terminal says to a program that asks it something. */
  static async open(answer: (text: string) => void): Promise<Screen> {
    const { default: xterm } = await import("@xterm/headless");
    const terminal = new xterm.Terminal({
      cols: shellColumns,
      rows: shellRows,
      scrollback: shellScrollbackLines,
      allowProposedApi: true,
    });
    terminal.onData(answer);
    return new Screen(terminal);
  }

  /** Resolves when the bytes are on the screen. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#terminal.write(bytes, resolve));
  }

  /** The lines of the screen as it is, without what is empty below. */
  now(): string {
    const { active } = this.#terminal.buffer;
    const lines = Array.from({ length: this.#terminal.rows }, (_, row) =>
      textOf(active.getLine(active.viewportY + row)),
    );
    return lines.join("\n").trimEnd();
  }

  /** What came since the last telling. */
  told(): string {
    const { buffer } = this.#terminal;
    if (buffer.active.type === "alternate") return this.now();
    const { active } = buffer;
    const end = active.baseY + active.cursorY;
    const known = this.#mark?.line ?? -1;
    const from = this.#mark === undefined ? 0 : Math.max(0, known);
    const lines: string[] =
      this.#mark !== undefined && known < 0 ? ["[earlier lines left out]"] : [];
    for (let at = from; at <= end; at++) {
      const line = active.getLine(at);
      const text = textOf(line).slice(at === known ? this.#column : 0);
      // A line that was too long for the screen is one line.
      if (line?.isWrapped === true && lines.length > 0 && at > from)
        lines.push(`${lines.pop()}${text}`);
      else lines.push(text);
    }
    this.#mark?.dispose();
    this.#mark = this.#terminal.registerMarker(0);
    this.#column = active.cursorX;
    return lines.join("\n").trimEnd();
  }

  [Symbol.dispose](): void {
    this.#terminal.dispose();
  }
}
