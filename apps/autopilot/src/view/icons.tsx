/**
 * Icons of one family: 16 by 16, one stroke. Each verdict has its own outline, so that shape carries
 * it as well as colour; a word always stands beside it. All are hidden from screen readers.
 */
import type { ReactElement } from "react";

const paths = {
  allow: "M8 1.75a6.25 6.25 0 1 0 0 12.5 6.25 6.25 0 0 0 0-12.5ZM5.25 8.25l2 2 3.5-4",
  ask: "M8 1.5 14.5 8 8 14.5 1.5 8ZM6.6 6.4a1.45 1.45 0 1 1 2 1.4c-.4.2-.6.5-.6 1M8 10.6v.1",
  deny: "M5.3 1.75h5.4l3.55 3.55v5.4l-3.55 3.55H5.3L1.75 10.7V5.3ZM5 8h6",
  unavailable: "M2.5 2.5h11v11h-11ZM5.5 5.5l5 5",
  running: "M8 1.75A6.25 6.25 0 1 1 1.75 8",
  none: "M3 8h10",
  waits: "M8 1.5 14.5 8 8 14.5 1.5 8ZM8 5v3.4M8 10.8v.1",
  good: "M2.75 8.5l3.5 3.5 7-8",
  bad: "M4 4l8 8M12 4l-8 8",
  quiet: "M3.5 3.5h9v9h-9Z",
  task: "M2.5 3.5h11M2.5 8h11M2.5 12.5h7",
  memory:
    "M3 4.5c0-1.5 2.2-2.5 5-2.5s5 1 5 2.5-2.2 2.5-5 2.5-5-1-5-2.5ZM3 4.5v7c0 1.5 2.2 2.5 5 2.5s5-1 5-2.5v-7M3 8c0 1.5 2.2 2.5 5 2.5s5-1 5-2.5",
  receipt: "M3.5 1.75h9v12.5l-2.25-1.5L8 14.25l-2.25-1.5-2.25 1.5ZM6 5.25h4M6 8.25h4",
  rules: "M2.5 3.5h2v2h-2ZM7 4.5h6.5M2.5 7.5h2v2h-2ZM7 8.5h6.5M2.5 11.5h2v2h-2ZM7 12.5h6.5",
  connect: "M6 1.75v3M10 1.75v3M4 4.75h8v2.5a4 4 0 0 1-8 0ZM8 11.25v3",
  shield: "M8 1.5l5.5 2v4c0 3.4-2.2 5.7-5.5 7-3.3-1.3-5.5-3.6-5.5-7v-4Z",
  plus: "M8 3v10M3 8h10",
  pause: "M5 3.5v9M11 3.5v9",
  stop: "M4 4h8v8H4Z",
  undo: "M5.5 3 2.5 6l3 3M2.5 6h7a4 4 0 0 1 0 8H6",
  folder: "M1.75 3.5h4.5l1.5 1.75h6.5v7.25H1.75Z",
  file: "M4 1.75h5l3 3v9.5H4ZM9 1.75v3h3",
  terminal: "M2 3h12v10H2ZM4.5 6l2 2-2 2M8.5 10.5h3",
  globe:
    "M8 1.75a6.25 6.25 0 1 0 0 12.5 6.25 6.25 0 0 0 0-12.5ZM1.75 8h12.5M8 1.75c2 2 2.75 4 2.75 6.25S10 12.25 8 14.25M8 1.75C6 3.75 5.25 5.75 5.25 8S6 12.25 8 14.25",
  model: "M8 1.5l1.6 4.9L14.5 8l-4.9 1.6L8 14.5 6.4 9.6 1.5 8l4.9-1.6Z",
  chevron: "M6 4l4 4-4 4",
  down: "M4 6l4 4 4-4",
  close: "M4 4l8 8M12 4l-8 8",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5Z",
  sun: "M8 5.25a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5ZM8 1.5v1.25M8 13.25v1.25M1.5 8h1.25M13.25 8h1.25M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9",
  auto: "M8 1.75a6.25 6.25 0 1 0 0 12.5 6.25 6.25 0 0 0 0-12.5ZM8 1.75v12.5",
  keyboard: "M1.75 4h12.5v8H1.75ZM4 6.5h.1M6.6 6.5h.1M9.2 6.5h.1M11.9 6.5h.1M5 9.5h6",
  key: "M10.5 1.75a3.75 3.75 0 1 0 0 7.5 3.75 3.75 0 0 0 0-7.5ZM7.75 8.25l-5.5 5.5M4.5 11.5l1.75 1.75",
  device: "M4.5 1.75h7v12.5h-7ZM7.25 12h1.5",
  download: "M8 2v8M4.75 7 8 10.25 11.25 7M2.5 13.5h11",
  link: "M6.5 9.5l3-3M7 4.5l1.25-1.25a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5l-1.25 1.25a3 3 0 0 1-4.5-4.5L4.5 7",
} as const;

export type IconName = keyof typeof paths;

export const Icon = ({ name }: { readonly name: IconName }): ReactElement => (
  <svg className={`icon icon-${name}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
    <path d={paths[name]} />
  </svg>
);

const kinds: readonly (readonly [string, IconName])[] = [
  ["fs::", "file"],
  ["sys::", "terminal"],
  ["net::", "globe"],
  ["browser::", "globe"],
  ["model::", "model"],
  ["memory::", "memory"],
];

/** Icon of what an action is done with. */
export const iconOfTarget = (target: string): IconName =>
  kinds.find(([prefix]) => target.startsWith(prefix))?.[1] ?? "none";
