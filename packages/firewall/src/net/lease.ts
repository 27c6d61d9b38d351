/**
 * What a program with a network may reach under its own ticket: the places of the rules that allow it,
 * without those that a rule refuses or asks about, which are judged one by one when the program comes
 * to them. Without such a rule it reaches nothing unasked.
 */
import type { DriverKind, FlowHost, Obligation } from "@ioi/wire";
import type { CompiledPolicy, DecisionContext } from "../types.ts";
import { type Judgement, judge } from "../judge.ts";
import {
  programBytesDownMax,
  programBytesUpMax,
  programFlowMsMax,
  programHostsMax,
  programRequestsMax,
  serverFlowMsMax,
  serverRequestsMax,
} from "../limits.ts";
import type { TargetSpec } from "../targets.ts";
import { readSubject, type Subject } from "../subject.ts";
import { readHost } from "../kinds/names.ts";
import { interceptedPlaces } from "./intercept.ts";
import { networkTargets } from "./read-network.ts";
import { nameClass } from "./url.ts";

/** What a running program asks for beyond its ticket, and whose programs may. */
const wanted: ReadonlySet<string> = new Set(["net::connect", "net::get", "net::post"]);
const startPrograms: ReadonlySet<DriverKind> = new Set<DriverKind>(["exec", "shell", "mcp"]);

/** Whether a driver of this kind may bring an action on this target before the Guardian. */
export const performs = (kind: DriverKind, { name, driver }: TargetSpec): boolean =>
  driver === kind || (startPrograms.has(kind) && wanted.has(name));

/** The program gets a way out. */
export const wantsNetwork = ({ target, values }: Subject): boolean => {
  const network = networkTargets.has(target.name) ? values.get("network") : undefined;
  return network?.type === "text" && network.text === "egress";
};

const isFree = (
  byTarget: CompiledPolicy["engine"]["byTarget"],
  { table }: Subject,
  { host, port }: FlowHost,
): boolean => {
  const action = { version: 1, target: "net::connect", args: { host, port }, facts: {} };
  const subject = readSubject(action, table);
  if (!subject.ok) return false;
  const { denies, asks } = judge(byTarget, subject.value);
  return denies.length === 0 && asks.length === 0;
};

/**
 * Whether each request in a connection that is opened is an action of its own: where a rule says more
 * of requests than their host, or looks at what they hold.
 */
const interceptOf = (
  { byTarget, rules }: CompiledPolicy["engine"],
  subject: Subject,
  place: FlowHost,
): NonNullable<FlowHost["intercept"]> => {
  const looksInside = rules.some(
    ({ deferred, effect, shadow, targets }) =>
      deferred === true &&
      effect !== "allow" &&
      shadow !== true &&
      targets.some((each) => each === "net::get" || each === "net::post"),
  );
  return !looksInside && isFree(byTarget, subject, place) ? "leased" : "judged";
};

/** Those that the action itself names: who starts the program agrees to what is done to it. */
const openedByAction = ({ values }: Subject): readonly FlowHost[] => {
  const given = values.get("intercept");
  return given?.type === "text" ? (interceptedPlaces(given.text) ?? []) : [];
};

/** The flow of a program with a network; none without. */
export const programFlow = (
  { engine }: CompiledPolicy,
  subject: Subject,
  { allows }: Judgement,
): readonly Obligation[] => {
  if (!wantsNetwork(subject)) return [];
  const places = new Map<string, FlowHost>();
  for (const place of allows.flatMap(({ rule }) => rule.network ?? [])) {
    if (places.size >= programHostsMax) continue;
    const { host, port, methods, classes } = place;
    const key = JSON.stringify([host, port, methods ?? null, classes, place.intercept ?? null]);
    if (place.intercept !== undefined) {
      places.set(key, { ...place, intercept: interceptOf(engine, subject, place) });
    } else if (isFree(engine.byTarget, subject, place)) places.set(key, place);
  }
  for (const place of openedByAction(subject)) {
    if (places.size >= programHostsMax) continue;
    places.set(JSON.stringify([place.host, place.port, "action"]), place);
  }
  return [
    {
      type: "flow",
      requests: programRequestsMax,
      bytesUp: programBytesUpMax,
      bytesDown: programBytesDownMax,
      ms: programFlowMsMax,
      hosts: [...places.values()],
    },
  ];
};

/**
 * The flow of a server's program: the places that the person confirmed, without those that a rule
 * refuses or asks about. Nothing outside of them is asked for: a server has nobody who waits.
 */
export const serverFlow = (
  { engine }: CompiledPolicy,
  subject: Subject,
  { places }: NonNullable<DecisionContext["starts"]>,
): readonly Obligation[] => {
  if (places.length === 0) return [];
  const hosts = places.flatMap(({ host, port }): readonly FlowHost[] => {
    const name = readHost(host);
    const own = name.ok ? nameClass(name.value) : "reserved";
    const place = { host, port, classes: [own] };
    return own !== "reserved" && isFree(engine.byTarget, subject, place) ? [place] : [];
  });
  return [
    {
      type: "flow",
      requests: serverRequestsMax,
      bytesUp: programBytesUpMax,
      bytesDown: programBytesDownMax,
      ms: serverFlowMsMax,
      hosts,
    },
  ];
};
