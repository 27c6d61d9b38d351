/** A place that a server may reach, as a person types it. */
import { canonicalHostOf } from "@ioi/firewall/net";
import { parseUrl } from "@ioi/host/url";
import { usage } from "../../report.ts";

export interface Place {
  /** In its one spelling. */
  readonly host: string;
  readonly port: number;
}

/** `HOST` or `HOST:PORT`; an address of IPv6 stands in brackets. */
export const placeOf = (given: string): Place => {
  const wrong = (why: string): Error =>
    usage(`--network takes HOST or HOST:PORT; ${given}: ${why}`);
  const [, host = "", digits = "443"] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(given) ?? [];
  const port = Number(digits);
  if (host === "" || port < 1 || port > 65_535) throw wrong("that is none of them");
  const name = canonicalHostOf(host, parseUrl);
  if (!name.ok) throw wrong(name.error);
  return { host: name.value, port };
};
