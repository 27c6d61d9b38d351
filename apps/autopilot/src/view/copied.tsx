/** A command for the terminal, with a button that copies it. */
import { type ReactElement, useState } from "react";
import { visibleLine } from "../pure/visible.ts";
import { announce } from "./announce.ts";

export const Copied = ({ text }: { readonly text: string }): ReactElement => {
  const [said, setSaid] = useState("Copy");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
      announce("Copied");
    } catch {
      setSaid("Select it by hand");
    }
  };
  return (
    <span className="copied">
      <code>{visibleLine(text)}</code>
      <button
        type="button"
        className="button small"
        aria-label={`Copy ${text}`}
        onClick={() => void copy()}
      >
        {said}
      </button>
    </span>
  );
};
