/** A model by its address. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { secretsQuery } from "../api/queries.ts";
import { ProblemNote } from "../view/problem.tsx";
import { Consent, refreshModels } from "./models.tsx";

const protocols = [
  ["openai", "OpenAI-compatible"],
  ["anthropic", "Anthropic"],
] as const;

const empty = { id: "", url: "", name: "", protocol: "openai", secret: "", input: 0, output: 0 };
type Draft = typeof empty;

const isLoopback = (url: string): boolean =>
  /^https?:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?=[:/]|$)/.test(url);

const Fields = ({
  draft,
  change,
}: {
  readonly draft: Draft;
  readonly change: (part: Partial<Draft>) => void;
}): ReactElement => {
  const { data: secrets = [] } = useQuery({ ...secretsQuery, retry: false });
  return (
    <div className="field-grid">
      <label className="field">
        <span className="field-name">Name here</span>
        <input
          className="input"
          required
          pattern="[a-z0-9][a-z0-9._\-]*"
          placeholder="my-model"
          value={draft.id}
          onChange={({ target }) => change({ id: target.value })}
        />
      </label>
      <label className="field">
        <span className="field-name">Address</span>
        <input
          className="input mono"
          required
          type="url"
          placeholder="https://api.example.com/v1"
          value={draft.url}
          onChange={({ target }) => change({ url: target.value })}
        />
      </label>
      <label className="field">
        <span className="field-name">Its own name for the model</span>
        <input
          className="input mono"
          required
          value={draft.name}
          onChange={({ target }) => change({ name: target.value })}
        />
      </label>
      <label className="field">
        <span className="field-name">Protocol</span>
        <select
          className="input"
          value={draft.protocol}
          onChange={({ target }) => change({ protocol: target.value })}
        >
          {protocols.map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span className="field-name">Key, one of your secrets</span>
        <select
          className="input"
          value={draft.secret}
          onChange={({ target }) => change({ secret: target.value })}
        >
          <option value="">none</option>
          {secrets.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
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
