/** What several parts of the policy's screen show: an example, a judged action. */
import type { ReactElement } from "react";
import type { DiffView, ExampleView, JudgedView, RuleView } from "../../pure/policy.ts";
import { visibleLine, visibleText } from "../../pure/visible.ts";
import { Icon } from "../../view/icons.tsx";
import { VerdictMark } from "../../view/marks.tsx";
import { Lines } from "../../view/text.tsx";

const rulesText = (rules: readonly string[]): string =>
  rules.length === 0 ? "no rule" : rules.join(", ");

const Example = ({ example }: { readonly example: ExampleView }): ReactElement => {
  const { target, before, after, args, rulesBefore, rulesAfter } = example;
  return (
    <li className="change-row">
      <span className="change-verdicts">
        <VerdictMark verdict={before} />
        <Icon name="chevron" />
        <span className="unseen">becomes</span>
        <VerdictMark verdict={after} />
      </span>
      <span className="change-what">
        <strong className="mono">{target}</strong>
        {args.map((each) => (
          <code key={each} className="whole">
            {visibleLine(each)}
          </code>
        ))}
        <span className="muted">
          {visibleLine(rulesText(rulesBefore))} → {visibleLine(rulesText(rulesAfter))}
        </span>
      </span>
    </li>
  );
};

const Examples = ({
  title,
  tone,
  examples,
}: {
  readonly title: string;
  readonly tone: string;
  readonly examples: readonly ExampleView[];
}): ReactElement | null =>
  examples.length === 0 ? null : (
    <section aria-label={title}>
      <h2 className={`group ${tone}`}>
        {title} <span className="figure">{examples.length}</span>
      </h2>
      <ul className="cards-list">
        {examples.map((example) => (
          <Example key={`${example.target} ${example.before} ${example.after}`} example={example} />
        ))}
      </ul>
    </section>
  );

/** What a text newly allows and no longer allows. */
export const Changes = ({ diff }: { readonly diff: DiffView }): ReactElement => {
  const { widened, narrowed, undecided, settings } = diff;
  if (diff.same) return <p>Every action is judged as before.</p>;
  return (
    <>
      {diff.notWider ? (
        <p className="mark tone-good">
          <Icon name="good" />
          <strong>Nothing is allowed that was not.</strong>
        </p>
      ) : null}
      <Examples title="Newly allowed or asked" tone="tone-bad" examples={widened} />
      {undecided.length === 0 ? null : (
        <section aria-label="Not worked out">
          <h2 className="group tone-waits">Not worked out; counts as wider</h2>
          <p className="mono">{undecided.join(", ")}</p>
        </section>
      )}
      {settings.length === 0 ? null : (
        <section aria-label="Settings">
          <h2 className="group">Settings</h2>
          <dl className="facts-table">
            {settings.map(({ name, before, after, wider }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  {visibleLine(before)} → {visibleLine(after)}{" "}
                  <span className={wider ? "tone-bad" : "tone-good"}>
                    {wider ? "wider" : "narrower"}
                  </span>
                </dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      <Examples title="No longer allowed" tone="tone-good" examples={narrowed} />
    </>
  );
};

const Rule = ({
  rule,
  onGo,
}: {
  readonly rule: RuleView;
  readonly onGo: (line: number) => void;
}): ReactElement => (
  <li className="rule-row">
    <span className={`mark ${rule.fired ? "" : "muted"}`}>
      <Icon name={rule.fired ? "good" : "none"} />
      <span>
        {rule.fired ? "fires" : "does not fire"}
        {rule.shadow ? ", in the shadow" : ""}
      </span>
    </span>
    <span>
      {rule.effect} <strong>{visibleLine(rule.id)}</strong>
      {rule.failing.length === 0 ? null : (
        <span className="muted"> {visibleLine(rule.failing.join(", "))}</span>
      )}
    </span>
    {rule.own ? (
      <button
        type="button"
        className="button small"
        aria-label={`Line ${rule.line}, rule ${rule.id}`}
        onClick={() => onGo(rule.line)}
      >
        line {rule.line}
      </button>
    ) : (
      <span className="muted">built in</span>
    )}
  </li>
);

const Change = ({
  change,
  onAdd,
}: {
  readonly change: JudgedView["change"];
  readonly onAdd: (toml: string) => void;
}): ReactElement => {
  switch (change.type) {
    case "none":
      return <p className="muted">{visibleText(change.because)}</p>;
    case "remove-rules":
      return (
        <p>
          Without {visibleLine(change.ids.join(", "))} it would be{" "}
          <VerdictMark verdict={change.verdict} />
        </p>
      );
    case "add-rule":
      return (
        <>
          <p>
            With this rule it would be <VerdictMark verdict={change.verdict} />
          </p>
          <Lines text={change.toml} label="The rule" />
          <p className="actions">
            <button type="button" className="button" onClick={() => onAdd(change.toml)}>
              Put it into the draft
            </button>
          </p>
        </>
      );
  }
};

/** One action under a text: its verdict, every rule about it, the smallest change. */
export const Judged = ({
  judged,
  onGo,
  onAdd,
}: {
  readonly judged: JudgedView;
  readonly onGo: (line: number) => void;
  readonly onAdd: (toml: string) => void;
}): ReactElement => (
  <div className="judged">
    <p className="judged-verdict">
      <VerdictMark verdict={judged.verdict} /> <span>{visibleText(judged.reason)}</span>
    </p>
    {judged.instead === "" ? null : (
      <p>
        <strong>Allowed instead:</strong> {visibleText(judged.instead)}
      </p>
    )}
    {judged.asks.length === 0 ? null : (
      <p className="muted">Asks because of: {visibleLine(judged.asks.join(", "))}</p>
    )}
    {judged.rules.length === 0 ? (
      <p className="muted">No rule speaks of this target.</p>
    ) : (
      <ul className="cards-list" aria-label={`Rules about ${judged.target}`}>
        {judged.rules.map((rule) => (
          <Rule key={rule.id} rule={rule} onGo={onGo} />
        ))}
      </ul>
    )}
    <Change change={judged.change} onAdd={onAdd} />
  </div>
);
