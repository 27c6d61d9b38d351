/** Secrets: written, never read back. Each is bound to where it may go. */
import { useMutation, useQuery } from "@tanstack/react-query";
import type { SecretLine } from "@ioi/wire/console";
import { type FormEvent, type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { queryClient, secretsQuery } from "../api/queries.ts";
import { visibleLine } from "../pure/visible.ts";
import { announce } from "../view/announce.ts";
import { Ago } from "../view/marks.tsx";
import { useNow } from "../view/now.ts";
import { Empty, ProblemNote, Waiting } from "../view/problem.tsx";

const refresh = (): Promise<void> =>
  queryClient.invalidateQueries({ queryKey: secretsQuery.queryKey });

const Row = ({ secret }: { readonly secret: SecretLine }): ReactElement => {
  const now = useNow();
  const remove = useMutation({
    mutationFn: () => api.removeSecret({ name: secret.name }),
    onSuccess: refresh,
  });
  return (
    <li className="card-row">
      <span className="stack">
        <strong className="mono">{visibleLine(secret.name)}</strong>
        <span className="muted">
          set <Ago at={secret.createdMs} now={now} />
        </span>
      </span>
      <span className="mono cut">{visibleLine(secret.binding)}</span>
      <span className="muted">
        used <Ago at={secret.usedMs} now={now} />
      </span>
      <span className="actions">
        <button type="button" className="button" onClick={() => remove.mutate()}>
          Remove<span className="unseen"> {secret.name}</span>
        </button>
      </span>
      {remove.error === null ? null : <ProblemNote error={remove.error} />}
    </li>
  );
};

const empty = {
  name: "",
  value: "",
  url: "",
  method: "POST",
  header: "authorization",
  template: "Bearer {}",
};
type Draft = typeof empty;

const fields: readonly {
  readonly name: keyof Draft;
  readonly label: string;
  readonly type?: "password" | "url";
  readonly hint?: string;
}[] = [
  { name: "name", label: "Name", hint: "openai" },
  { name: "value", label: "Value: never shown again", type: "password" },
  { name: "url", label: "Where it may go", type: "url", hint: "https://api.example.com/v1" },
  { name: "header", label: "In which header" },
  { name: "template", label: "As; {} stands for the value" },
];

const SecretForm = (): ReactElement => {
  const [draft, setDraft] = useState<Draft>(empty);
  const save = useMutation({
    mutationFn: () => api.setSecret(draft),
    onSuccess: async () => {
      announce(`${draft.name} is kept`);
      setDraft(empty);
      await refresh();
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className="stack-form" onSubmit={submit} autoComplete="off">
      <div className="field-grid">
        {fields.map(({ name, label, type = "text", hint = "" }) => (
          <label key={name} className="field">
            <span className="field-name">{label}</span>
            <input
              className="input mono"
              required
              type={type}
              placeholder={hint}
              autoComplete={type === "password" ? "new-password" : "off"}
              spellCheck={false}
              value={draft[name]}
              onChange={({ target }) => setDraft((before) => ({ ...before, [name]: target.value }))}
            />
          </label>
        ))}
        <label className="field">
          <span className="field-name">With which method</span>
          <select
            className="input"
            value={draft.method}
            onChange={({ target }) => setDraft((before) => ({ ...before, method: target.value }))}
          >
            <option value="POST">POST</option>
            <option value="GET">GET</option>
          </select>
        </label>
      </div>
      {save.error === null ? null : <ProblemNote error={save.error} />}
      <p className="actions">
        <button type="submit" className="button primary" disabled={save.isPending}>
          Keep it
        </button>
      </p>
    </form>
  );
};

export const Secrets = (): ReactElement => {
  const { data, error, refetch } = useQuery(secretsQuery);
  if (error !== null) return <ProblemNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="Reading the names of the secrets" />;
  return (
    <>
      <p className="muted">
        No agent and no model ever sees one. It is put into a request as it leaves, only to where it
        is bound, and nothing shows it again, this page included.
      </p>
      {data.length === 0 ? (
        <Empty title="No secrets are kept">
          <p>A model elsewhere needs its key here first.</p>
        </Empty>
      ) : (
        <ul className="cards-list" aria-label="Secrets">
          {data.map((secret) => (
            <Row key={secret.name} secret={secret} />
          ))}
        </ul>
      )}
      <h2 className="group">Keep another one</h2>
      <SecretForm />
    </>
  );
};
