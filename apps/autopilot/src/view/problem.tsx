/** What did not work, why, and the next step; and what to do where there is nothing yet. */
import type { ReactElement, ReactNode } from "react";
import { problemOf } from "../api/client.ts";
import { visibleText } from "../pure/visible.ts";
import { Icon } from "./icons.tsx";

export const ProblemNote = ({
  error,
  retry,
}: {
  readonly error: unknown;
  readonly retry?: (() => void) | undefined;
}): ReactElement => {
  const { title, message } = problemOf(error);
  return (
    <div className="note note-bad" role="alert">
      <Icon name="bad" />
      <div>
        <strong>{title}</strong>
        <p>{visibleText(message)}</p>
      </div>
      {retry === undefined ? null : (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
};

export const Empty = ({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ReactNode;
}): ReactElement => (
  <div className="empty">
    <h2>{title}</h2>
    {children}
  </div>
);

export const Waiting = ({ what }: { readonly what: string }): ReactElement => (
  <p className="waiting" role="status">
    <Icon name="running" />
    <span>{what}</span>
  </p>
);
