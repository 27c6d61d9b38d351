/**
 * What protects on this machine and what does not, measured by the self-test: it tries to get out of
 * every sandbox, here and now. What is missing stands with the one command that mends it.
 */
import { useMutation, useQuery } from "@tanstack/react-query";
import type { DoctorStatusReply } from "@ioi/wire/console";
import { type ReactElement, useEffect } from "react";
import { api } from "../api/client.ts";
import { chainQuery, doctorQuery, overviewQuery, queryClient } from "../api/queries.ts";
import { type DoctorView, parseDoctor } from "../pure/doctor.ts";
import { count, duration, grouped } from "../pure/format.ts";
import { visibleLine, visibleText } from "../pure/visible.ts";
import { announce } from "../view/announce.ts";
import { Copied } from "../view/copied.tsx";
import { Icon } from "../view/icons.tsx";
import { Ago, Hash, Labelled } from "../view/marks.tsx";
import { useNow } from "../view/now.ts";
import { ProblemNote, Waiting } from "../view/problem.tsx";

type Gap = DoctorView["gaps"][number];

const severities = {
  high: ["bad", "tone-bad", "mend this"],
  low: ["waits", "tone-waits", "weaker"],
  note: ["none", "tone-quiet", "know this"],
} as const;

const Gaps = ({
  gaps,
  label,
}: {
  readonly gaps: readonly Gap[];
  readonly label: string;
}): ReactElement => (
  <ul className="cards-list" aria-label={label}>
    {gaps.map(({ id, severity, what, install }) => {
      const [icon, tone, word] = severities[severity];
      return (
        <li key={id} className="gap-row">
          <span className={`mark ${tone}`}>
            <Icon name={icon} />
            <span>{word}</span>
          </span>
          <span>{visibleText(what)}</span>
          {install === "" ? null : <Copied text={install} />}
        </li>
      );
    })}
  </ul>
);

const Figures = ({ view }: { readonly view: DoctorView }): ReactElement => {
  const figures: readonly (readonly [string, string])[] = [
    ["Tried", grouped(view.tried)],
    ["Held", grouped(view.held)],
    ["Got out", grouped(view.escaped)],
    ["Not possible here anyway", grouped(view.inapplicable)],
    ["A sandbox starts in (p95)", view.spawnP95Ms === undefined ? "" : duration(view.spawnP95Ms)],
  ];
  return (
    <dl className="figures doctor-figures">
      {figures
        .filter(([, value]) => value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="figure">{value}</dd>
          </div>
        ))}
    </dl>
  );
};

const headline = (view: DoctorView): string => {
  if (view.tried === 0) return "Nothing could be tried: no sandbox can be built here";
  if (view.escaped > 0) return `${count(view.escaped, "attempt")} to get out worked`;
  return view.ok
    ? "Files and commands are confined, and everything tried was held"
    : "Everything tried was held, and something is to be mended";
};

/** What a machine offers, and whether it is used. */
const Mechanisms = ({ mechanisms }: Pick<DoctorView, "mechanisms">): ReactElement => (
  <dl className="facts-table" aria-label="Mechanisms">
    {mechanisms.map(({ name, available, used, version }) => (
      <div key={name}>
        <dt>{visibleLine(name)}</dt>
        <dd>
          {available ? (used ? "used" : "there, not used") : "not there"}{" "}
          <span className="muted">{visibleLine(version)}</span>
        </dd>
      </div>
    ))}
  </dl>
);

const Processes = ({ processes }: Pick<DoctorView, "processes">): ReactElement => (
  <dl className="facts-table" aria-label="Processes">
    {processes.map(({ name, pid, uid, sandbox, mib }) => (
      <div key={`${name} ${pid}`}>
        <dt>{visibleLine(name)}</dt>
        <dd className="process-row">
          <span>
            {sandbox.length === 0 ? (
              <span className="tone-waits">not in a sandbox</span>
            ) : (
              visibleLine(sandbox.join(", "))
            )}
          </span>
          <span className="muted figure">
            uid {uid} · {mib} MiB
          </span>
        </dd>
      </div>
    ))}
  </dl>
);

const Report = ({ view }: { readonly view: DoctorView }): ReactElement => {
  const mend = view.gaps.filter(({ severity }) => severity !== "note");
  const know = view.gaps.filter(({ severity }) => severity === "note");
  return (
    <>
      <Figures view={view} />
      <section aria-label="To mend">
        <h2 className="group">To mend</h2>
        {mend.length === 0 ? (
          <p className="muted">Nothing: all that this version can use of this machine is used.</p>
        ) : (
          <Gaps gaps={mend} label="To mend" />
        )}
      </section>
      <section aria-label="Not protected">
        <h2 className="group">Not protected, whatever is mended</h2>
        <Gaps gaps={know} label="Not protected" />
      </section>
      <div className="two">
        <section aria-label="Mechanisms">
          <h2 className="group">Mechanisms</h2>
          <Mechanisms mechanisms={view.mechanisms} />
        </section>
        <section aria-label="Processes">
          <h2 className="group">Processes</h2>
          <Processes processes={view.processes} />
        </section>
      </div>
    </>
  );
};

/** How far it is, how long it takes. */
const Progress = ({
  status,
  atMs,
}: {
  readonly status: DoctorStatusReply;
  readonly atMs: number;
}): ReactElement => {
  const { step, done, total, startedMs, tookMs } = status;
  const past = Math.max(0, atMs - Number(startedMs));
  const whole = tookMs > 0 ? `about ${duration(tookMs)}, as the last time` : "about half a minute";
  return (
    <div className="doctor-progress">
      <progress max={Math.max(1, total)} value={done} aria-label="Sandboxes tried" />
      <p className="muted">
        {visibleLine(step) || "Building the sandboxes"}.{" "}
        <span className="figure">
          {done} of {total}
        </span>
        , {startedMs === 0n ? "" : `${duration(past)} so far, `}
        {whole}
      </p>
    </div>
  );
};

const useSelfTest = () => {
  const test = useMutation({
    mutationFn: () => api.doctor({}),
    onMutate: () => announce("The self-test begins"),
    onSettled: async () => {
      await queryClient.invalidateQueries({ queryKey: doctorQuery.queryKey });
      await queryClient.invalidateQueries({ queryKey: overviewQuery.queryKey });
    },
    onSuccess: ({ json }) => {
      const view = parseDoctor(json);
      if (view === undefined) return;
      announce(`${view.tried} tried, ${view.held} held, ${view.escaped} got out`);
    },
  });
  const { isPending } = test;
  useEffect(() => {
    if (!isPending) return undefined;
    // From then on the query follows it by itself.
    const timer = setInterval(
      () => void queryClient.invalidateQueries({ queryKey: doctorQuery.queryKey }),
      firstLookMs,
    );
    return () => clearInterval(timer);
  }, [isPending]);
  return test;
};

/** Between two looks whether a self-test has begun, in milliseconds. */
const firstLookMs = 500;

const Measured = (): ReactElement => {
  const now = useNow();
  const test = useSelfTest();
  const { data, error, dataUpdatedAt } = useQuery(doctorQuery);
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return <Waiting what="Asking what was measured" />;
  const view = data.json === "" ? undefined : parseDoctor(data.json);
  const running = data.running || test.isPending;
  const good = view !== undefined && view.ok && view.escaped === 0;
  return (
    <>
      <div className="doctor-head">
        <div>
          <p className={`mark ${view === undefined ? "muted" : good ? "tone-good" : "tone-bad"}`}>
            <Icon name={view === undefined ? "none" : good ? "good" : "bad"} />
            <strong>
              {view === undefined ? "Not measured since the kernel started" : headline(view)}
            </strong>
          </p>
          <p className="muted">
            The self-test tries to get out of every sandbox, on this machine, with a control for
            each attempt.
            {view === undefined ? null : (
              <>
                {" "}
                Measured <Ago at={data.measuredMs} now={now} />, in {duration(data.tookMs)}.
              </>
            )}
          </p>
        </div>
        <button
          type="button"
          className="button primary"
          aria-disabled={running}
          onClick={() => {
            if (!running) test.mutate();
          }}
        >
          <Labelled icon="shield">
            {running ? "Trying to get out" : view === undefined ? "Measure now" : "Measure again"}
          </Labelled>
        </button>
      </div>
      {running ? <Progress status={data} atMs={dataUpdatedAt} /> : null}
      {test.error === null ? null : <ProblemNote error={test.error} />}
      {view === undefined ? null : <Report view={view} />}
    </>
  );
};

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

const Chain = (): ReactElement => {
  const now = useNow();
  const { data, error } = useQuery(chainQuery);
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return <Waiting what="Asking the chain" />;
  if (!data.available) {
    return <p className="muted">This kernel keeps no chain yet; the receipts verify without it.</p>;
  }
  return (
    <dl className="facts-table" aria-label="Chain">
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
        <dt>Grade</dt>
        <dd>{data.grade === "local" ? "local: this machine alone decides" : data.grade}</dd>
      </div>
      <div>
        <dt>Anchor</dt>
        <dd>{data.anchor}</dd>
      </div>
    </dl>
  );
};

export const Doctor = (): ReactElement => (
  <div className="screen">
    <div className="screen-head">
      <h1>Doctor</h1>
      <p className="muted">What protects on this machine, measured, and what does not.</p>
    </div>
    <Measured />
    <div className="two">
      <section aria-label="How it stands">
        <h2 className="group">How it stands</h2>
        <Standing />
      </section>
      <section aria-label="The chain">
        <h2 className="group">Chain</h2>
        <Chain />
      </section>
    </div>
    <p className="muted">
      All of this protects from agents and their tools, not from other programs that run as you.
    </p>
  </div>
);
