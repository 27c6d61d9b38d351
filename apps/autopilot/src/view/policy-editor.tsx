/** The editor's place in the page; the editor itself is loaded when it is first shown. */
import { type ReactElement, type RefObject, useEffect, useRef, useState } from "react";
import type { Problem } from "../pure/policy.ts";
import { parseWords, type Words } from "../pure/policy-words.ts";
import type { Editor } from "./codemirror.ts";
import { ProblemNote, Waiting } from "./problem.tsx";

export interface PolicyEditorProps {
  readonly text: string;
  /** The words of the language, as JSON. */
  readonly words: string;
  readonly problems: readonly Problem[];
  readonly onChange: (text: string) => void;
  readonly onSave: () => void;
  /** Where others take hold of the editor. */
  readonly handle: RefObject<Editor | undefined>;
}

/** The newest value, for what was made before. */
const useNewest = <T,>(value: T): RefObject<T> => {
  const ref = useRef(value);
  useEffect(() => {
    ref.current = value;
  });
  return ref;
};

export const PolicyEditor = (props: PolicyEditorProps): ReactElement => {
  const { text, words, problems, handle } = props;
  const place = useRef<HTMLDivElement>(null);
  const newest = useNewest(props);
  const vocabulary = useRef<Words>(parseWords("{}"));
  const [state, setState] = useState<"loading" | "ready" | Error>("loading");
  useEffect(() => {
    vocabulary.current = parseWords(words);
  }, [words]);
  useEffect(() => {
    let gone = false;
    let editor: Editor | undefined;
    const open = async (): Promise<void> => {
      const { openEditor } = await import("./codemirror.ts");
      if (gone || place.current === null) return;
      editor = openEditor({
        parent: place.current,
        text: newest.current.text,
        label: "Text of the policy",
        words: () => vocabulary.current,
        onChange: (next) => newest.current.onChange(next),
        onSave: () => newest.current.onSave(),
      });
      handle.current = editor;
      setState("ready");
    };
    open().catch((error: unknown) => setState(error instanceof Error ? error : new Error("?")));
    return () => {
      gone = true;
      handle.current = undefined;
      editor?.destroy();
    };
  }, [handle, newest]);
  useEffect(() => {
    if (state === "ready") handle.current?.setText(text);
  }, [handle, state, text]);
  useEffect(() => {
    if (state === "ready") handle.current?.setProblems(problems);
  }, [handle, state, problems]);
  return (
    <div className="policy-editor">
      {state === "loading" ? <Waiting what="Opening the editor" /> : null}
      {state instanceof Error ? <ProblemNote error={state} /> : null}
      <div className="policy-place" ref={place} />
    </div>
  );
};
