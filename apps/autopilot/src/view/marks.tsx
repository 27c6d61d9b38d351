/** Small marks that recur: states, verdicts, times, hashes, keys. A word stands with every shape. */
import type { ReactElement, ReactNode } from "react";
import { ago, exact, shortHash } from "../pure/format.ts";
import { stateWords, toneOf, type Verdict } from "../pure/run.ts";
import { Icon, type IconName } from "./icons.tsx";

export const StateMark = ({ state }: { readonly state: string }): ReactElement => (
  <span className={`mark tone-${toneOf(state)}`}>
    <Icon name={toneOf(state)} />
    <span>{stateWords[state] ?? state}</span>
  </span>
);

const verdictWords: Readonly<Record<Verdict, string>> = {
  allow: "allowed",
  ask: "asks",
  deny: "denied",
  unavailable: "not available",
};

export const VerdictMark = ({
  verdict,
}: {
  readonly verdict: Verdict | undefined;
}): ReactElement => (
  <span className={`mark verdict-${verdict ?? "none"}`}>
    <Icon name={verdict ?? "running"} />
    <span>{verdict === undefined ? "judging" : verdictWords[verdict]}</span>
  </span>
);

/** Relative, with the exact time for whoever wants it. */
export const Ago = ({ at, now }: { readonly at: bigint; readonly now: number }): ReactElement => {
  const ms = Number(at);
  if (ms <= 0) return <span className="muted">never</span>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={exact(ms)}>
      {ago(ms, now)}
    </time>
  );
};

export const Hash = ({ hex }: { readonly hex: string }): ReactElement => (
  <code className="hash" title={hex}>
    {shortHash(hex)}
  </code>
);

export const Key = ({ children }: { readonly children: ReactNode }): ReactElement => (
  <kbd>{children}</kbd>
);

/** A label with an icon, for buttons and links. */
export const Labelled = ({
  icon,
  children,
}: {
  readonly icon: IconName;
  readonly children: ReactNode;
}): ReactElement => (
  <>
    <Icon name={icon} />
    <span>{children}</span>
  </>
);
