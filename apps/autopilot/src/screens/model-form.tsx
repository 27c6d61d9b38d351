/** A model by its address. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { refreshModels, secretsQuery } from "../api/queries.ts";
import { ProblemNote } from "../view/problem.tsx";
import { Consent } from "./consent.tsx";

const protocols = [
  ["openai", "OpenAI-compatible"],
  ["anthropic", "Anthropic"],
] as const;

const empty = { id: "", url: "", name: "", protocol: "openai", secret: "", input: 0, output: 0 };
type Draft = typeof empty;

const isLoopback = (url: string): boolean =>
  /^https?:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=[:/]|$)/.test(url);

interface FieldsProps {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
}

const texts: readonly {
  readonly name: "id" | "url" | "name";
  readonly label: string;
  readonly hint: string;
  readonly pattern?: string;
}[] = [
  { name: "id", label: "Name here", hint: "my-model", pattern: String.raw`[a-z0-9][a-z0-9._\-]*` },
  { name: "url", label: "Address", hint: "https://api.example.com/v1" },
  { name: "name", label: "Its own name for the model", hint: "" },
];

const Choice = ({
  label,
  value,
  options,
  onChange,
}: {
  readonly label: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (next: string) => void;
}): ReactElement => (
  <label className="field">
    <span className="field-name">{label}</span>
    <select className="input" value={value} onChange={({ target }) => onChange(target.value)}>
      {options.map(([each, text]) => (
        <option key={each} value={each}>
          {text}
        </option>
      ))}
    </select>
  </label>
);

const Fields = ({ draft, change }: FieldsProps): ReactElement => {
  const { data: secrets = [] } = useQuery({ ...secretsQuery, retry: false });
  return (
    <div className="field-grid">
      {texts.map(({ name, label, hint, pattern }) => (
        <label key={name} className="field">
          <span className="field-name">{label}</span>
          <input
            className="input mono"
            required
            type={name === "url" ? "url" : "text"}
            pattern={pattern}
            placeholder={hint}
            value={draft[name]}
            onChange={({ target }) => change({ [name]: target.value })}
          />
        </label>
      ))}
      <Choice
        label="Protocol"
        value={draft.protocol}
        options={protocols}
        onChange={(protocol) => change({ protocol })}
      />
      <Choice
        label="Key, one of your secrets"
        value={draft.secret}
        options={[["", "none"], ...secrets.map(({ name }) => [name, name] as const)]}
        onChange={(secret) => change({ secret })}
      />
      <Price name="input" value={draft.input} onChange={(input) => change({ input })} />
      <Price name="output" value={draft.output} onChange={(output) => change({ output })} />
    </div>
  );
};

const Price = ({
  name,
  value,
  onChange,
}: {
  readonly name: string;
  readonly value: number;
  readonly onChange: (next: number) => void;
}): ReactElement => (
  <label className="field">
    <span className="field-name">$ for a million tokens of {name}; 0: from the table</span>
    <input
      className="input figure"
      type="number"
      min="0"
      step="0.01"
      value={value}
      onChange={({ target }) => onChange(target.valueAsNumber || 0)}
    />
  </label>
);

export const ModelForm = ({ consented }: { readonly consented: boolean }): ReactElement => {
  const [draft, setDraft] = useState<Draft>(empty);
  const [agreed, setAgreed] = useState(false);
  const needsConsent = draft.url !== "" && !isLoopback(draft.url) && !consented;
  const add = useMutation({
    mutationFn: () =>
      api.confirmModel({
        model: {
          id: draft.id,
          url: draft.url,
          name: draft.name,
          protocol: draft.protocol,
          secret: draft.secret,
          inputMicrousdPerMillion: BigInt(Math.round(draft.input * 1_000_000)),
          outputMicrousdPerMillion: BigInt(Math.round(draft.output * 1_000_000)),
        },
        makeDefault: true,
        unscrubbedConsent: needsConsent && agreed,
      }),
    onSuccess: async () => {
      setDraft(empty);
      await refreshModels();
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <details className="more">
      <summary>Add one by its address</summary>
      <form className="stack-form" onSubmit={submit}>
        <Fields draft={draft} change={(part) => setDraft((before) => ({ ...before, ...part }))} />
        {needsConsent ? <Consent agreed={agreed} onChange={setAgreed} /> : null}
        {add.error === null ? null : <ProblemNote error={add.error} />}
        <p className="actions">
          <button
            type="submit"
            className="button primary"
            disabled={add.isPending || (needsConsent && !agreed)}
          >
            Add it
          </button>
        </p>
      </form>
    </details>
  );
};
