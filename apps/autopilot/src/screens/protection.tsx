/** What protects on this machine and what does not, measured; the log's and the chain's state. */
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { api } from "../api/client.ts";
import { chainQuery, overviewQuery } from "../api/queries.ts";
import { count, grouped } from "../pure/format.ts";
import { type DoctorView, parseDoctor } from "../pure/doctor.ts";
import { visibleText } from "../pure/visible.ts";
import { Icon } from "../view/icons.tsx";
import { Ago, Hash, Labelled } from "../view/marks.tsx";
import { useNow } from "../view/now.ts";
import { ProblemNote, Waiting } from "../view/problem.tsx";

const Standing = (): ReactElement | null => {
  const { data, error } = useQuery(overviewQuery);
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return <Waiting what="Asking the kernel" />;
  const rows: readonly (readonly [string, string])[] = [
    ["Protection", data.protection],
    ["Anchor", data.anchor],
    [
      "Policy",
      data.policyError === "" ? `in force, ${data.policyHash.slice(0, 12)}` : data.policyError,
    ],
    ["Models elsewhere", data.unscrubbed ? "text goes there as it is" : "none may be used yet"],
    ["Receipts", grouped(data.logSize)],
    ["Version", data.version],
  ];
  return (
    <dl className="facts-table" aria-label="How it stands">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{visibleText(value)}</dd>
        </div>
      ))}
    </dl>
  );
};

const severities = {
  high: ["bad", "tone-bad", "mend this"],
  low: ["waits", "tone-waits", "weaker"],
  note: ["none", "tone-quiet", "know this"],
} as const;

const Gaps = ({ view }: { readonly view: DoctorView }): ReactElement => (
  <ul className="cards-list" aria-label="What does not protect">
    {view.gaps.map(({ id, severity, what, install }) => {
      const [icon, tone, word] = severities[severity];
      return (
        <li key={id} className="gap-row">
          <span className={`mark ${tone}`}>
            <Icon name={icon} />
            <span>{word}</span>
          </span>
          <span>{visibleText(what)}</span>
          {install === "" ? null : <code>{visibleText(install)}</code>}
        </li>
      );
    })}
  </ul>
);

const Measured = ({ view }: { readonly view: DoctorView }): ReactElement => (
  <>
    <p className={`mark ${view.escaped === 0 && view.ok ? "tone-good" : "tone-bad"}`}>
      <Icon name={view.escaped === 0 && view.ok ? "good" : "bad"} />
      <strong>
        {count(view.tried, "escape")} tried from every sandbox: {grouped(view.held)} held,{" "}
        {grouped(view.escaped)} got out
      </strong>
    </p>
    <div className="two">
      <div>
        <h3 className="group">Mechanisms</h3>
        <dl className="facts-table">
          {view.mechanisms.map(({ name, available, used, version }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {available ? (used ? "used" : "there, not used") : "not there"}{" "}
                <span className="muted">{version}</span>
              </dd>
            </div>
          ))}
        </dl>
      </div>
      <div>
        <h3 className="group">Processes</h3>
        <dl className="facts-table">
          {view.processes.map(({ name, pid, sandbox, mib }) => (
            <div key={`${name} ${pid}`}>
              <dt>{name}</dt>
              <dd>
                {sandbox.length === 0 ? "not in a sandbox" : sandbox.join(", ")}{" "}
                <span className="muted figure">{mib} MiB</span>
              </dd>
            </div>
          ))}
        </dl>
      </div>
    </div>
    <h3 className="group">What does not protect</h3>
    <Gaps view={view} />
  </>
);

const SelfTest = (): ReactElement => {
  const test = useMutation({
    mutationFn: async () => {
      const { json } = await api.doctor({});
      const view = parseDoctor(json);
      if (view === undefined) throw new Error("the answer is no doctor's report");
      return view;
    },
  });
  return (
    <section aria-label="Self-test">
      <h2 className="group">Self-test</h2>
      <p className="muted">
        Tries to get out of every sandbox, here and now, and counts what held. It takes half a
        minute.
      </p>
      <p className="actions">
        <button
          type="button"
          className="button primary"
          disabled={test.isPending}
          onClick={() => test.mutate()}
        >
          <Labelled icon="shield">{test.isPending ? "Trying to get out" : "Measure now"}</Labelled>
        </button>
      </p>
      {test.isPending ? <Waiting what="Hundreds of attempts; about half a minute" /> : null}
      {test.error === null ? null : <ProblemNote error={test.error} />}
      {test.data === undefined ? null : <Measured view={test.data} />}
    </section>
  );
};

const Chain = (): ReactElement => {
  const now = useNow();
  const { data, error } = useQuery(chainQuery);
  return (
    <section aria-label="Chain">
      <h2 className="group">Chain</h2>
      {error === null ? null : <ProblemNote error={error} />}
      {data?.available === false ? (
        <p className="muted">This kernel keeps no chain yet; the receipts verify without it.</p>
      ) : null}
      {data?.available === true ? (
        <dl className="facts-table">
          <div>
            <dt>Height</dt>
            <dd className="figure">{grouped(data.height)}</dd>
          </div>
          <div>
            <dt>Last block</dt>
            <dd>
              <Hash hex={data.blockHash} /> <Ago at={data.blockMs} now={now} />
            </dd>
          </div>
          <div>
            <dt>Receipts anchored</dt>
            <dd>
              <span className="figure">{grouped(data.receiptsSize)}</span>{" "}
              <Hash hex={data.receiptsRoot} />
            </dd>
          </div>
          <div>
            <dt>Anchor</dt>
            <dd>{data.grade}</dd>
          </div>
        </dl>
      ) : null}
    </section>
  );
};

export const Protection = (): ReactElement => (
  <div className="screen">
    <div className="screen-head">
      <h1>Protection</h1>
      <p className="muted">What holds on this machine, and what does not.</p>
    </div>
    <Standing />
    <Chain />
    <SelfTest />
    <p className="muted">
      All of this protects from agents and their tools, not from other programs that run as you.
    </p>
  </div>
);
