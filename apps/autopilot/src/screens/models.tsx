/**
 * Models: those that may be used, those found on this machine, and adding one by its address. A model
 * elsewhere takes one consent that says what happens to what it is sent.
 */
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ModelLine } from "@ioi/wire/console";
import { type FormEvent, type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { modelsQuery, refreshModels } from "../api/queries.ts";
import { dollars } from "../pure/format.ts";
import { visibleLine } from "../pure/visible.ts";
import { announce } from "../view/announce.ts";
import { Labelled } from "../view/marks.tsx";
import { Empty, ProblemNote, Waiting } from "../view/problem.tsx";
import { Consent } from "./consent.tsx";
import { ModelForm } from "./model-form.tsx";

const price = (microusd: bigint): string => dollars(Number(microusd) / 1_000_000);

const Prices = ({ model }: { readonly model: ModelLine }): ReactElement => {
  const { inputMicrousdPerMillion: input, outputMicrousdPerMillion: output } = model;
  if (input === 0n && output === 0n) {
    return <span className="muted">{model.loopback ? "free" : "price from the table"}</span>;
  }
  return (
    <span className="figure">
      {price(input)} <span className="unit">in</span> {price(output)}{" "}
      <span className="unit">out, a million tokens</span>
    </span>
  );
};

const Where = ({ model }: { readonly model: ModelLine }): ReactElement => (
  <span className="stack">
    <span className="mono cut">{visibleLine(model.url)}</span>
    <span className="muted">
      {model.loopback
        ? `on this machine${model.program === "" ? "" : `: ${visibleLine(model.program)}, run by user ${visibleLine(model.owner)}`}`
        : "elsewhere: text leaves this machine"}
    </span>
  </span>
);

const Confirmed = ({ model }: { readonly model: ModelLine }): ReactElement => {
  const remove = useMutation({
    mutationFn: () => api.removeModel({ id: model.id }),
    onSuccess: refreshModels,
  });
  const makeDefault = useMutation({
    mutationFn: () => api.confirmModel({ model, makeDefault: true }),
    onSuccess: refreshModels,
  });
  const forMemories = useMutation({
    mutationFn: () => api.confirmModel({ model: { ...model, isMemory: !model.isMemory } }),
    onSuccess: refreshModels,
  });
  const failure = remove.error ?? makeDefault.error ?? forMemories.error;
  return (
    <li className="card-row">
      <span className="stack">
        <strong>{visibleLine(model.id)}</strong>
        <span className="muted mono">{visibleLine(model.name)}</span>
      </span>
      <Where model={model} />
      <Prices model={model} />
      <span className="actions">
        {model.isDefault ? (
          <span className="tag">default</span>
        ) : (
          <button type="button" className="button" onClick={() => makeDefault.mutate()}>
            Make it the default
          </button>
        )}
        {model.protocol === "openai" ? (
          <button
            type="button"
            className="button"
            aria-pressed={model.isMemory}
            onClick={() => forMemories.mutate()}
          >
            Memories are found by it
          </button>
        ) : null}
        <button type="button" className="button" onClick={() => remove.mutate()}>
          Remove<span className="unseen"> {model.id}</span>
        </button>
      </span>
      {failure === null ? null : <ProblemNote error={failure} />}
    </li>
  );
};

const Found = ({
  model,
  consented,
}: {
  readonly model: ModelLine;
  readonly consented: boolean;
}): ReactElement => {
  const [agreed, setAgreed] = useState(false);
  const needsConsent = !model.loopback && !consented;
  const confirm = useMutation({
    mutationFn: () =>
      api.confirmModel({ model, makeDefault: true, unscrubbedConsent: needsConsent && agreed }),
    onSuccess: async () => {
      announce(`${model.id} can be used`);
      await refreshModels();
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    confirm.mutate();
  };
  return (
    <li>
      <form className="card-row" onSubmit={submit}>
        <span className="stack">
          <strong>{visibleLine(model.id)}</strong>
          <span className="muted mono">{visibleLine(model.name)}</span>
        </span>
        <Where model={model} />
        <Prices model={model} />
        <span className="actions">
          <button
            type="submit"
            className="button primary"
            disabled={confirm.isPending || (needsConsent && !agreed)}
          >
            Use it<span className="unseen">: {model.id}</span>
          </button>
        </span>
        {needsConsent ? <Consent agreed={agreed} onChange={setAgreed} /> : null}
        {confirm.error === null ? null : <ProblemNote error={confirm.error} />}
      </form>
    </li>
  );
};

export const Models = (): ReactElement => {
  const { data, error, refetch } = useQuery(modelsQuery);
  const discover = useMutation({
    mutationFn: () => api.listModels({ discover: true }),
    onSuccess: ({ models }) => {
      const found = models.filter(({ confirmed }) => !confirmed).length;
      announce(found === 0 ? "No other model server was found" : `${found} found`);
    },
  });
  if (error !== null) return <ProblemNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="Reading the models" />;
  const confirmed = data.models.filter((model) => model.confirmed);
  const isKnown = ({ url, name }: ModelLine): boolean =>
    confirmed.some((each) => each.url === url && each.name === name);
  const found = discover.data?.models.filter((each) => !each.confirmed && !isKnown(each)) ?? [];
  return (
    <>
      {confirmed.length === 0 ? (
        <Empty title="No model is confirmed">
          <p>
            Direct commands work without one. For tasks in plain words look for a server on this
            machine, or add one by its address.
          </p>
        </Empty>
      ) : (
        <ul className="cards-list" aria-label="Models that may be used">
          {confirmed.map((model) => (
            <Confirmed key={model.id} model={model} />
          ))}
        </ul>
      )}
      <p className="actions">
        <button
          type="button"
          className="button"
          disabled={discover.isPending}
          onClick={() => discover.mutate()}
        >
          <Labelled icon="link">
            {discover.isPending ? "Looking" : "Look for servers on this machine"}
          </Labelled>
        </button>
      </p>
      {discover.error === null ? null : <ProblemNote error={discover.error} />}
      {discover.isSuccess && found.length === 0 ? (
        <p className="muted">
          None of the usual ports (Ollama, llama.cpp, LM Studio, vLLM) answers with a model that is
          not confirmed.
        </p>
      ) : null}
      <ul className="cards-list" aria-label="Models that were found">
        {found.map((model) => (
          <Found
            key={`${model.url} ${model.id}`}
            model={model}
            consented={data.unscrubbedConsent}
          />
        ))}
      </ul>
      <ModelForm consented={data.unscrubbedConsent} />
    </>
  );
};
