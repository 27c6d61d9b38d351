/**
 * What changes by itself, as server-sent events. One numbered row of events for everybody; the
 * newest are kept, so that a tab which slept goes on where it was, or is told to begin anew
 * (`reset`) where what it missed is gone. Source: HTML, "Server-sent events".
 *
 * Invariants: memory is bounded by `eventsKeptMax` and, for each reader, by what a connection may
 * owe it; a reader that does not read is cut, not waited for.
 */
import type { ServerResponse } from "node:http";
import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { ConsoleEventSchema } from "@ioi/wire/console";
import {
  eventsKeptMax,
  heartbeatMs,
  streamBufferBytesMax,
  streamsMax,
  streamsPerBrowserMax,
} from "../limits.ts";
import type { Place } from "./guard.ts";

type EventInit = Omit<MessageInitShape<typeof ConsoleEventSchema>, "id" | "$typeName">;

interface Kept {
  readonly number: number;
  readonly kind: string;
  readonly text: string;
}

/** What the approval page hears: that it should look, and nothing of sessions. */
const approveKinds: ReadonlySet<string> = new Set(["cards", "reset"]);

const isFor = (place: Place, kind: string): boolean => place === "app" || approveKinds.has(kind);

interface Reader {
  readonly place: Place;
  readonly browser: string;
  readonly response: ServerResponse;
  readonly timer: NodeJS.Timeout;
}

export interface EventsOptions {
  /** Names this life of the console: numbers of another life mean nothing here. */
  readonly life: string;
  /** Called as the first reader comes and the last one goes. */
  readonly onReading: (reading: boolean) => void;
}

const eventText = (life: string, number: number, event: EventInit): string => {
  const message = create(ConsoleEventSchema, { ...event, id: BigInt(number) });
  return `id: ${life}.${number}\ndata: ${JSON.stringify(
    toJson(ConsoleEventSchema, message, { alwaysEmitImplicit: true }),
  )}\n\n`;
};

export class Events {
  readonly #options: EventsOptions;
  readonly #kept: Kept[] = [];
  readonly #readers: Set<Reader> = new Set();
  #number = 0;

  constructor(options: EventsOptions) {
    this.#options = options;
  }

  get readers(): number {
    return this.#readers.size;
  }

  publish(event: EventInit): void {
    this.#number++;
    const text = eventText(this.#options.life, this.#number, event);
    const kind = event.kind ?? "";
    this.#kept.push({ number: this.#number, kind, text });
    if (this.#kept.length > eventsKeptMax) this.#kept.shift();
    for (const reader of this.#readers) if (isFor(reader.place, kind)) this.#write(reader, text);
  }

  #write({ response }: Reader, text: string): void {
    response.write(text);
    if (response.writableLength > streamBufferBytesMax) response.destroy();
  }

  /** What came after `lastId`, or that it is not known any more. */
  #missed(place: Place, lastId: string | undefined): string {
    const { life } = this.#options;
    const reset = (): string => eventText(life, this.#number, { kind: "reset" });
    // A new reader takes the state from the calls; this tells it from where on events count.
    if (lastId === undefined || lastId === "") return reset();
    const found = /^([0-9a-f]+)\.(\d{1,15})$/.exec(lastId);
    const number = Number(found?.[2]);
    if (found?.[1] !== life || number > this.#number) return reset();
    const oldest = this.#kept[0]?.number ?? this.#number + 1;
    if (number < oldest - 1) return reset();
    return this.#kept
      .filter((each) => each.number > number && isFor(place, each.kind))
      .map(({ text }) => text)
      .join("");
  }

  /** False, and nothing was answered, where too many read already. */
  stream(
    place: Place,
    browser: string,
    lastId: string | undefined,
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
  ): boolean {
    const own = [...this.#readers].filter((each) => each.browser === browser);
    if (this.#readers.size >= streamsMax || own.length >= streamsPerBrowserMax) return false;
    response.writeHead(200, {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    const timer = setInterval(() => this.#write(reader, ": alive\n\n"), heartbeatMs);
    const reader: Reader = { place, browser, response, timer };
    this.#readers.add(reader);
    if (this.#readers.size === 1) this.#options.onReading(true);
    response.on("error", () => undefined);
    response.on("close", () => {
      clearInterval(timer);
      this.#readers.delete(reader);
      if (this.#readers.size === 0) this.#options.onReading(false);
    });
    this.#write(reader, `retry: 1000\n\n${this.#missed(place, lastId)}`);
    return true;
  }

  /** Ends all streams; their readers come back. */
  close(): void {
    for (const { response } of this.#readers) response.end();
  }
}
