/**
 * Who may speak to a gate that listens: programs of this machine that name it as it is, from no page
 * of elsewhere, with the token that was printed once. Pure.
 */
import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

export interface Refusal {
  readonly status: 401 | 403;
  readonly why: string;
}

const sameText = (given: string, expected: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
};

/** Undefined: it may. */
export const refusalOf = (
  { host, origin, authorization = "" }: IncomingHttpHeaders,
  port: number,
  token: string,
): Refusal | undefined => {
  const names = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (host === undefined || !names.includes(host)) {
    return { status: 403, why: "this gate has another name" };
  }
  if (origin !== undefined && !names.some((name) => origin === `http://${name}`)) {
    return { status: 403, why: "pages of elsewhere do not speak to this gate" };
  }
  const [scheme = "", given = "", ...more] = authorization.split(" ");
  return scheme.toLowerCase() === "bearer" && more.length === 0 && sameText(given, token)
    ? undefined
    : { status: 401, why: "the token that the gate printed is missing" };
};
