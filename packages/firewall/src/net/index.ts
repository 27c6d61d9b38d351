/** What those need who carry requests: addresses, URLs, the one request of an action. */
export { canonicalHostOf } from "../kinds/names.ts";
export * from "./intercept.ts";
export * from "./addresses.ts";
export * from "./flow-log.ts";
export * from "./headers.ts";
export * from "./message.ts";
export * from "./redirects.ts";
export * from "./request.ts";
export * from "./server-calls.ts";
export * from "./url.ts";
