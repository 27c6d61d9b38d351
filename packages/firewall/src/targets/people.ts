/** Targets that reach people and money: what was sent or paid does not come back. */
import { type ArgumentSpec, content, type Role, type TargetSpec, text, undriven } from "./spec.ts";

const emails = (name: string, what: string, optional?: true): ArgumentSpec => ({
  name,
  type: "emails",
  role: "destination",
  what,
  ...(optional === undefined ? {} : { optional }),
});

const account = (name: string, what: string, more: { readonly fromSession?: true } = {}) =>
  ({ name, type: "account", role: "destination", what, ...more }) as const satisfies ArgumentSpec;

const amount = (name: string, what: string, optional?: true): ArgumentSpec => ({
  name,
  type: "amount",
  role: "amount",
  what,
  ...(optional === undefined ? {} : { optional }),
});

const asset = text("asset", "what is moved, as in ETH", "amount", { charsMax: 128 });

const optionalText = (name: string, what: string, role: Role, charsMax: number): ArgumentSpec =>
  text(name, what, role, { charsMax, optional: true });

/** Local time as in RFC 3339 without its zone. */
const when = (name: string, what: string): ArgumentSpec =>
  text(name, what, "flag", { charsMax: 64 });

export const peopleTargets: readonly TargetSpec[] = [
  undriven("mail::send", "send mail", [
    emails("to", "who gets it"),
    emails("cc", "who gets a copy", true),
    emails("bcc", "who gets a hidden copy", true),
    text("subject", "subject", "content", { charsMax: 998 }),
    content("content", "what it says"),
    {
      name: "attachments",
      type: "paths",
      role: "path",
      use: "reads",
      optional: true,
      what: "files that go with it",
    },
  ]),
  undriven("calendar::write", "put something into a calendar", [
    optionalText("event", "which entry is changed", "selector", 256),
    text("title", "title", "content", { charsMax: 998 }),
    when("start", "when it begins"),
    when("end", "when it ends"),
    emails("attendees", "who is invited", true),
    optionalText("place", "where it is", "content", 998),
  ]),
  undriven("wallet::send", "pay", [
    account("from", "account that pays", { fromSession: true }),
    account("to", "account that gets it"),
    asset,
    amount("value", "how much"),
  ]),
  undriven("wallet::sign", "sign a transaction that was decoded", [
    account("from", "account that signs", { fromSession: true }),
    account("to", "contract or account"),
    asset,
    amount("value", "how much it moves"),
    optionalText("method", "method that it calls", "flag", 256),
    amount("allowance", "how much others may take afterwards", true),
    content("data", "bytes that could not be decoded", true),
  ]),
];
