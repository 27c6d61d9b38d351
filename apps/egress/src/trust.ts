/**
 * Whose certificates are believed: the runtime's authorities, those of the configuration, and those of
 * the machine. The last are read only when a server shows an authority that none of the others knows:
 * most stores hold what the runtime knows anyway, and take longer to read than a page takes to come.
 *
 * Bounds: `authoritiesMax`, `authoritiesMs`; asked for once.
 */
import tls from "node:tls";
import { X509Certificate } from "node:crypto";
import { type Log, OperationError } from "@ioi/base";
import { authoritiesMax, authoritiesMs } from "./limits.ts";

/** The machine's authorities, in PEM. Rejects with an OperationError where nobody says. */
export type SystemAuthorities = () => Promise<readonly string[]>;

const isCertificate = (pem: string): boolean => {
  try {
    void new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
};

const contextOf = (more: readonly string[]): tls.SecureContext =>
  tls.createSecureContext({
    ca: [...tls.rootCertificates, ...more],
    minVersion: "TLSv1.2",
  });

/** What a chain that ends nowhere is called. */
const unknownIssuer: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

export const isUnknownIssuer = (error: unknown): boolean =>
  unknownIssuer.has(String((error as { readonly code?: unknown } | undefined)?.code));

export class Trust {
  readonly #configured: readonly string[];
  readonly #system: SystemAuthorities;
  readonly #log: Log;
  #context: tls.SecureContext | undefined;
  #widening: Promise<void> | undefined;

  constructor(configured: readonly string[], system: SystemAuthorities, log: Log) {
    const bad = configured.findIndex((pem) => !isCertificate(pem));
    if (bad >= 0) throw new OperationError("E_EGRESS_CONFIG", `authority ${bad} is no certificate`);
    this.#configured = configured;
    this.#system = system;
    this.#log = log;
    this.#context = configured.length === 0 ? undefined : contextOf(configured);
  }

  /** Undefined: the runtime's own. */
  get context(): tls.SecureContext | undefined {
    return this.#context;
  }

  /** Whether more is believed now than by `used`. */
  async widened(used: tls.SecureContext | undefined): Promise<boolean> {
    await (this.#widening ??= this.#widen());
    return this.#context !== used;
  }

  async #widen(): Promise<void> {
    let found: readonly string[];
    try {
      found = await this.#system();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.#log.log("warn", "egress.no-system-authorities", { code: error.code });
      // Asked again by the next server that needs it.
      this.#widening = undefined;
      return;
    }
    const good = found.slice(0, authoritiesMax).filter(isCertificate);
    this.#log.log("info", "egress.system-authorities", { authorities: good.length });
    if (good.length > 0) this.#context = contextOf([...this.#configured, ...good]);
  }
}

const isAnswer = (message: unknown): message is { readonly authorities: readonly string[] } => {
  const { type, authorities } = (message ?? {}) as Readonly<Record<string, unknown>>;
  return (
    type === "authorities" &&
    Array.isArray(authorities) &&
    authorities.every((each) => typeof each === "string")
  );
};

/** Asks over the launcher's channel of this process: egress has no files. */
export const launcherAuthorities: SystemAuthorities = () =>
  new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      process.off("message", onMessage);
    };
    const timer = setTimeout(() => {
      end();
      const text = "nobody says whom this machine believes";
      reject(new OperationError("E_EGRESS_TLS", text, { retryable: true }));
    }, authoritiesMs);
    const onMessage = (message: unknown): void => {
      if (!isAnswer(message)) return;
      end();
      resolve(message.authorities);
    };
    process.on("message", onMessage);
    process.send?.({ type: "authorities" });
  });
