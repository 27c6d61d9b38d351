/** The proof of an answer: this browser's verdict, the roots, and what it shows and does not. */
import type { ReactElement } from "react";
import { Link } from "@tanstack/react-router";
import type { RecalledHere } from "../../api/memory.ts";
import { grouped } from "../../pure/format.ts";
import { visibleText } from "../../pure/visible.ts";
import { Icon } from "../../view/icons.tsx";
import { Hash, Labelled } from "../../view/marks.tsx";

type Proved = NonNullable<RecalledHere["proved"]>;

const save = (proof: Uint8Array): void => {
  const url = URL.createObjectURL(new Blob([new Uint8Array(proof)]));
  const link = document.createElement("a");
  link.href = url;
  link.download = "recall.proof";
  link.click();
  URL.revokeObjectURL(url);
};

const List = ({
  title,
  items,
}: {
  readonly title: string;
  readonly items: readonly string[];
}): ReactElement => (
  <div>
    <h3 className="group">{title}</h3>
    <ul>
      {items.map((each) => (
        <li key={each}>{visibleText(each)}</li>
      ))}
    </ul>
  </div>
);

const Root = ({
  name,
  hex,
}: {
  readonly name: string;
  readonly hex: string | undefined;
}): ReactElement => (
  <div>
    <dt>{name}</dt>
    <dd>{hex === undefined || hex === "" ? "none" : <Hash hex={hex} />}</dd>
  </div>
);

const ownLimits = [
  "that the roots are the ones of your file: they stand in the receipt; verify the receipts, and compare with ./ioi receipts memory",
] as const;

export const ProofPanel = ({
  proved,
  receipt,
}: {
  readonly proved: Proved;
  readonly receipt: number | undefined;
}): ReactElement => {
  const { verdict, roots, proof, ms } = proved;
  return (
    <section className="verify" aria-label="Proof">
      <div className="verify-head">
        <p className={`mark ${verdict.ok ? "tone-good" : "tone-bad"}`} data-proof={verdict.ok}>
          <Icon name={verdict.ok ? "good" : "bad"} />
          <strong>
            {verdict.ok
              ? "Verified in this browser"
              : `The proof does not hold: ${visibleText(verdict.reason)}`}
          </strong>
        </p>
        <div className="actions">
          <button type="button" className="button" onClick={() => save(proof)}>
            <Labelled icon="download">Save the proof</Labelled>
          </button>
        </div>
      </div>
      <div className={`verified ${verdict.ok ? "verified-good" : "verified-bad"}`}>
        <dl className="detail-facts">
          <Root name="Log root" hex={roots.logRoot} />
          <Root name="Index root" hex={roots.indexRoot} />
          <Root name="File" hex={roots.store} />
          <div>
            <dt>Log</dt>
            <dd className="figure">
              {roots.logSize} <span className="unit">entries</span>
            </dd>
          </div>
          <div>
            <dt>Proof</dt>
            <dd className="figure">
              {grouped(proof.length)} <span className="unit">bytes</span>, {ms.toFixed(0)}{" "}
              <span className="unit">ms</span>
            </dd>
          </div>
          {receipt === undefined ? null : (
            <div>
              <dt>Receipt</dt>
              <dd>
                <Link to="/receipts" search={{ open: receipt }}>
                  {grouped(receipt)}
                </Link>
              </dd>
            </div>
          )}
        </dl>
        {verdict.ok ? (
          <div className="two">
            <List title="What this shows" items={verdict.shown} />
            <List title="What it does not show" items={[...verdict.notShown, ...ownLimits]} />
          </div>
        ) : null}
      </div>
    </section>
  );
};
