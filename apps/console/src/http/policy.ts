/**
 * The headers that every answer carries: what a page may load, run, frame and tell. No inline
 * script or style anywhere, Trusted Types on, nothing is kept by a cache that it must not keep.
 */
import { originOf, type Place } from "./guard.ts";

/** The one policy that may make a script's address of a text: for the page's own workers. */
export const trustedTypesPolicy = "ioi";

const contentPolicy = (place: Place, port: number): string => {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    place === "app" ? "img-src 'self' blob: data:" : "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    place === "app" ? "worker-src 'self'" : "worker-src 'none'",
    place === "app" ? `frame-src ${originOf("frame", port)}` : "frame-src 'none'",
    place === "frame" ? `frame-ancestors ${originOf("app", port)}` : "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "object-src 'none'",
    "require-trusted-types-for 'script'",
    place === "app" ? `trusted-types ${trustedTypesPolicy}` : "trusted-types 'none'",
  ].join("; ");
};

const features = (place: Place, port: number): string => {
  const keys = place === "app" ? `(self "${originOf("frame", port)}")` : "(self)";
  return [
    `publickey-credentials-get=${keys}`,
    `publickey-credentials-create=${keys}`,
    ...["camera", "microphone", "geolocation", "payment", "usb", "serial", "hid", "midi"].map(
      (name) => `${name}=()`,
    ),
    "display-capture=()",
  ].join(", ");
};

export const securityHeaders = (place: Place, port: number): Readonly<Record<string, string>> => ({
  "content-security-policy": contentPolicy(place, port),
  "permissions-policy": features(place, port),
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "origin-agent-cluster": "?1",
  "referrer-policy": "same-origin",
  "x-content-type-options": "nosniff",
  // For browsers that do not know `frame-ancestors`; the framed page has a framer.
  ...(place === "frame" ? {} : { "x-frame-options": "DENY" }),
});
