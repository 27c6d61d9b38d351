/** One action, made by hand, judged by the draft in folders that stand for the workspaces. */
import { useMutation } from "@tanstack/react-query";
import { type ReactElement, useId, useMemo, useState } from "react";
import { api } from "../../api/client.ts";
import type { Worked } from "../../api/policy.ts";
import { parseJudged } from "../../pure/policy.ts";
import { parseWords, type WordArgument, type Words } from "../../pure/policy-words.ts";
import { announce } from "../../view/announce.ts";
import { ProblemNote } from "../../view/problem.tsx";
import { Judged } from "./parts.tsx";

/** What is typed as it is; everything else is JSON. */
const plainTypes = ["path", "text", "content", "url", "host", "amount", "account"];

const hints: Readonly<Record<string, string>> = {
  path: "scope:/notes/a.txt",
  paths: '["scope:/a.txt"]',
  argv: '["git", "status"]',
  url: "https://example.com/a",
  host: "example.com",
  emails: '["a@example.com"]',
  integer: "0",
  headers: "{}",
  json: "{}",
};

const valueOf = ({ type }: WordArgument, typed: string): unknown => {
  if (plainTypes.includes(type)) return typed;
  try {
    return JSON.parse(typed);
  } catch {
    throw new Error(`an argument of type ${type} is JSON, as in ${hints[type] ?? "[]"}`);
  }
};

const argumentsOf = (specs: readonly WordArgument[], typed: ReadonlyMap<string, string>): string =>
  JSON.stringify(
    Object.fromEntries(
      specs.flatMap((spec) => {
        const value = typed.get(spec.name) ?? "";
        return value === "" ? [] : [[spec.name, valueOf(spec, value)]];
      }),
    ),
  );

const Argument = ({
  spec,
  value,
  onChange,
}: {
  readonly spec: WordArgument;
  readonly value: string;
  readonly onChange: (value: string) => void;
}): ReactElement => (
  <label className="field">
    <span>
      {spec.name}
      <span className="muted"> {spec.what}</span>
    </span>
    <input
      className="input mono"
      value={value}
      placeholder={hints[spec.type] ?? ""}
      spellCheck={false}
      onChange={({ target }) => onChange(target.value)}
    />
  </label>
);

const Target = ({
  words,
  value,
  onChange,
}: {
  readonly words: Words;
  readonly value: string;
  readonly onChange: (value: string) => void;
}): ReactElement => {
  const names = useId();
  return (
    <label className="field">
      <span>Target</span>
      <input
        className="input mono"
        list={names}
        value={value}
        spellCheck={false}
        onChange={({ target: input }) => onChange(input.value)}
      />
      <datalist id={names}>
        {words.targets.map(({ name, what }) => (
          <option key={name} value={name}>
            {what}
          </option>
        ))}
      </datalist>
    </label>
  );
};

const useTry = (work: Worked, words: Words) => {
  const [target, setTarget] = useState("fs::read");
  const [typed, setTyped] = useState<ReadonlyMap<string, string>>(new Map());
  const [said, setSaid] = useState("");
  const specs = words.targets.find(({ name }) => name === target)?.arguments ?? [];
  const trial = useMutation({
    mutationFn: async () => {
      const request = { target, arguments: argumentsOf(specs, typed), words: said };
      const { json } = await api.tryPolicy({ text: work.text, ...request });
      const judged = parseJudged(json);
      if (judged === undefined) throw new Error("the console's answer is no verdict");
      return judged;
    },
    onSuccess: ({ verdict, reason }) => announce(`${verdict}. ${reason}`),
  });
  return { target, setTarget, typed, setTyped, said, setSaid, specs, trial };
};

export const TryPanel = ({
  work,
  onGo,
  onAdd,
}: {
  readonly work: Worked;
  readonly onGo: (line: number) => void;
  readonly onAdd: (toml: string) => void;
}): ReactElement => {
  const words = useMemo(() => parseWords(work.policy.words), [work.policy.words]);
  const { target, setTarget, typed, setTyped, said, setSaid, specs, trial } = useTry(work, words);
  const field = (spec: WordArgument): ReactElement => (
    <Argument
      key={spec.name}
      spec={spec}
      value={typed.get(spec.name) ?? ""}
      onChange={(value) => setTyped(new Map([...typed, [spec.name, value]]))}
    />
  );
  return (
    <form
      className="policy-part"
      onSubmit={(event) => {
        event.preventDefault();
        trial.mutate();
      }}
    >
      <Target words={words} value={target} onChange={setTarget} />
      {specs.filter(({ optional }) => !optional).map(field)}
      {specs.some(({ optional }) => optional) ? (
        <details className="more">
          <summary>Optional arguments</summary>
          {specs.filter(({ optional }) => optional).map(field)}
        </details>
      ) : null}
      <label className="field">
        <span>
          What you typed <span className="muted">destinations must come from it</span>
        </span>
        <input
          className="input"
          value={said}
          placeholder="Send it to a@example.com"
          onChange={({ target: input }) => setSaid(input.value)}
        />
      </label>
      <p className="actions">
        <button type="submit" className="button primary" disabled={trial.isPending}>
          Judge it
        </button>
        <span className="muted">Nothing happens; paths are taken to be there.</span>
      </p>
      {trial.error === null ? null : <ProblemNote error={trial.error} />}
      {trial.data === undefined ? null : <Judged judged={trial.data} onGo={onGo} onAdd={onAdd} />}
    </form>
  );
};
