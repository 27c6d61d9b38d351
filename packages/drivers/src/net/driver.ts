/**
 * The net driver: `net::get` and `net::post`, one request each, carried by egress. `prepare` makes
 * no request and looks no name up. Redirects come back as what they are, with where they lead.
 *
 * A request that changes something is noted before it leaves. What came of it is `confirmed` once
 * the server answered, whatever it answered; `unknown` where it may have arrived and no answer came.
 * Bounds: `fetchContentBytesMax` of an answer, `argumentBytesMax` of a URL and its headers.
 */
import { OperationError, ok, type Result, toHex, utf8Encode } from "@ioi/base";
import { linksOf } from "./links.ts";
import { parseCanonicalUrl } from "@ioi/firewall/net";
import type { Client } from "@ioi/host/rpc";
import { type CanonicalValue, contentRef, type pb, schema } from "@ioi/wire";
import type {
  ActContext,
  ActReport,
  Driver,
  ObligationType,
  PreparedAction,
} from "../core/driver.ts";
import type { Settlement } from "../effects/settle.ts";
import type { ErrorCode } from "../errors.ts";
import { decodeArguments } from "../files/arguments.ts";
import { type DriverRejection, reject } from "../fs/roots.ts";
import { fetchContentBytesMax } from "../limits.ts";
import type { RequestClaims } from "./claims.ts";
import {
  continued,
  type EgressEnd,
  egressFetch,
  type EgressResponse,
  readBody,
  nothingLeft,
} from "./egress-client.ts";

const { mapOf, optional, record, text } = schema;

const requestArguments = record({
  method: optional(text(16)),
  url: text(4096),
  headers: optional(mapOf(text(4096), 32)),
  secret: optional(text(64)),
  content: optional(contentRef),
});

/** Methods by target; the first is what is meant where none is named. */
const methods: Readonly<Record<string, readonly string[]>> = {
  "net::get": ["GET", "HEAD", "OPTIONS"],
  "net::post": ["POST", "PUT", "PATCH", "DELETE"],
};

interface Request {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** What an answer says of itself that an agent may need. */
const shownHeaders = ["content-language", "content-type", "etag", "last-modified", "retry-after"];

const keepsNothing: ReadonlySet<ObligationType> = new Set();
const keepsFlow: ReadonlySet<ObligationType> = new Set<ObligationType>(["flow"]);

const nothing = { result: {}, bytes: 0, reversible: false } as const;

/** Where a redirect leads, absolute; undefined where it says nothing that can be followed. */
const locationOf = (response: EgressResponse, url: string): string | undefined => {
  if (response.status < 300 || response.status > 399) return undefined;
  const given = response.headers.get("location");
  return given === undefined ? undefined : URL.parse(given, url)?.href;
};

const evidenceOf = (
  status: number,
  end: EgressEnd | undefined,
  bytes: number,
): Record<string, string> => ({
  status: String(status),
  bytes_down: String(end?.bytesDown ?? bytes),
  ...(end === undefined
    ? { truncated: "yes" }
    : {
        bytes_up: String(end.bytesUp),
        address: end.address,
        mode: end.mode,
        ...(end.requests === 0
          ? {}
          : { requests: String(end.requests), request_log: toHex(end.requestLog) }),
        ...(end.truncated ? { truncated: "yes" } : {}),
        ...(end.certificateSha256.length === 0
          ? {}
          : { certificate_sha256: toHex(end.certificateSha256) }),
      }),
});

/** What an agent has to know of an answer that is not what it asked for. */
const saidOf = (
  status: number,
  location: string | undefined,
): { readonly code?: ErrorCode; readonly message?: string } => {
  if (location !== undefined) return { code: "E_HTTP_REDIRECT", message: location };
  return status >= 400 ? { code: "E_HTTP_STATUS", message: `the server answered ${status}` } : {};
};

const reportOf = async (
  response: EgressResponse,
  request: Request,
  effect: boolean,
): Promise<ActReport> => {
  const { bytes, more } = await readBody(response.body, fetchContentBytesMax);
  const end = response.end();
  const location = locationOf(response, request.url);
  // Of a redirect the head is what matters; its body is a page for those who do not follow.
  const content =
    location === undefined ? bytes : utf8Encode(`HTTP ${response.status}\nlocation: ${location}\n`);
  const shown = shownHeaders.flatMap((name) => {
    const value = response.headers.get(name);
    return value === undefined ? [] : [[name, value.slice(0, 1024).toWellFormed()] as const];
  });
  return {
    status: "confirmed",
    ...saidOf(response.status, location),
    result: {
      status: response.status,
      url: request.url,
      headers: Object.fromEntries(shown),
      ...(location === undefined ? {} : { location }),
      truncated: more || end?.truncated === true,
      content,
    },
    bytes: bytes.length,
    reversible: false,
    evidence: evidenceOf(response.status, end, bytes.length),
    // What a page that was read links to may be read next.
    ...(effect || location !== undefined
      ? {}
      : { answer: linksOf(bytes, response.headers.get("content-type") ?? "", request.url) }),
  };
};

export class NetDriver implements Driver {
  readonly kind = "net";
  readonly #egress: Client<typeof pb.Egress>;
  readonly #claims: RequestClaims;

  constructor(egress: Client<typeof pb.Egress>, claims: RequestClaims) {
    this.#egress = egress;
    this.#claims = claims;
  }

  async prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
  ): Promise<Result<PreparedAction, DriverRejection>> {
    const known = Object.hasOwn(methods, target) ? methods[target] : undefined;
    if (known === undefined) {
      return reject("E_TARGET_UNKNOWN", `the net driver does not perform ${target}`);
    }
    const decoded = decodeArguments(requestArguments, args);
    if (!decoded.ok) return decoded;
    const { method = known[0] ?? "", headers, content } = decoded.value;
    const url = parseCanonicalUrl(decoded.value.url);
    if (!url.ok) return reject("E_ARGUMENTS_INVALID", `url: ${url.error}`);
    if (!known.includes(method) || (content !== undefined && target === "net::get")) {
      return reject("E_ARGUMENTS_INVALID", `${target} makes no such request`);
    }
    const request: Request = {
      method,
      url: url.value.text,
      headers: Object.entries(headers ?? {}),
    };
    const effect = target === "net::post";
    return ok({
      facts: {},
      effect,
      content,
      keeps: effect ? keepsNothing : keepsFlow,
      act: (context) => this.#act(request, effect, context),
      [Symbol.dispose]: () => undefined,
    });
  }

  claim(counter: bigint): Disposable | undefined {
    return this.#claims.claim(counter);
  }

  async settle(counter: bigint): Promise<Settlement> {
    return this.#claims.settle(counter);
  }

  async #act(request: Request, effect: boolean, context: ActContext): Promise<ActReport> {
    const report = await this.#perform(request, effect, context);
    if (effect && report.status !== "refused") this.#claims.finish(context.counter, report.status);
    return report;
  }

  async #perform(request: Request, effect: boolean, context: ActContext): Promise<ActReport> {
    const fetch = egressFetch(this.#egress, context);
    let response: EgressResponse | undefined;
    try {
      const whole = { ...request, body: context.content };
      response = await fetch(whole, context.signal);
      if (context.obligations.has("flow")) {
        response = continued(fetch, whole, response, context.signal);
      }
      return await reportOf(response, request, effect);
    } catch (error) {
      const stopped = context.signal.aborted && error === context.signal.reason;
      if (!(error instanceof OperationError) && !stopped) throw error;
      const code = error instanceof OperationError ? error.code : "E_ABORTED";
      const message = error instanceof Error ? error.message : "the action was stopped";
      const untouched = !effect || nothingLeft.has(code);
      return {
        ...nothing,
        status: untouched ? "no-effect" : response === undefined ? "unknown" : "partial",
        code: code as ErrorCode,
        message,
        evidence: response === undefined ? {} : { status: String(response.status) },
      };
    }
  }

  [Symbol.dispose](): void {
    // Its socket ends with the process.
  }
}
