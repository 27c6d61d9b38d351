/**
 * Who may ask what: the rules on Host, Origin and the browser's own account of where a request
 * comes from, before anything else is looked at. Pure.
 *
 * Sources: RFC 9110 7.4 (421), Fetch (Origin), Fetch Metadata (Sec-Fetch-Site). Rebinding a name
 * gives another Host; a form or script of another site another Origin.
 *
 * Three places, each an origin of its own: the page, the approval page in a tab, and the approval
 * page in the page's frame. Every `name.localhost` is a site of its own to a browser, and in a frame
 * of another site a browser keeps neither cookie nor key; the framed one therefore stands below the
 * page's host, which makes it the same site and still another origin.
 */
export type Place = "app" | "approve" | "frame";

const hosts: Readonly<Record<Place, string>> = {
  app: "app.localhost",
  approve: "approve.localhost",
  frame: "approve.app.localhost",
};
export const places = ["app", "approve", "frame"] as const;

export interface Asked {
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly fetchDest: string | undefined;
}

export type Verdict =
  | { readonly ok: true; readonly place: Place }
  | { readonly ok: false; readonly status: 403 | 405 | 421; readonly why: string };

export const originOf = (place: Place, port: number): string => `http://${hosts[place]}:${port}`;

const refuse = (status: 403 | 405 | 421, why: string): Verdict => ({ ok: false, status, why });

/** Opening a page by an address is a navigation; everything else comes from the page itself. */
const isNavigation = ({ method, path, fetchDest }: Asked, place: Place): boolean =>
  method === "GET" &&
  (path === "/" || path === "/open") &&
  (fetchDest === undefined ||
    fetchDest === "document" ||
    // Shown inside the page; `frame-ancestors` says that no other may.
    (place === "frame" && fetchDest === "iframe"));

export const guard = (asked: Asked, port: number): Verdict => {
  const place = places.find((each) => asked.host === `${hosts[each]}:${port}`);
  if (place === undefined) return refuse(421, "this host is not served here");
  if (asked.method !== "GET" && asked.method !== "POST") {
    return refuse(405, "only GET and POST are answered");
  }
  const own = originOf(place, port);
  if (asked.origin !== undefined && asked.origin !== own) {
    return refuse(403, "the request comes from another origin");
  }
  if (asked.method === "POST" && asked.origin === undefined) {
    return refuse(403, "a request that changes something names its origin");
  }
  const { fetchSite } = asked;
  const sameOrigin = fetchSite === undefined || fetchSite === "same-origin" || fetchSite === "none";
  if (!sameOrigin && !isNavigation(asked, place)) {
    return refuse(403, "the request comes from another site");
  }
  return { ok: true, place };
};
