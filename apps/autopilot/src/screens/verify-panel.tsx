/** Verification in the browser: the result, and what it shows and does not show. */
import { useMutation } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { api } from "../api/client.ts";
import { exact, grouped } from "../pure/format.ts";
import { visibleText } from "../pure/visible.ts";
import { type Checked, notProved, proved, type Seen } from "../verify/check.ts";
import { type Verified, verifyExport } from "../verify/run.ts";
import { announce } from "../view/announce.ts";
import { Icon } from "../view/icons.tsx";
import { Hash, Labelled } from "../view/marks.tsx";
import { ProblemNote, Waiting } from "../view/problem.tsx";

/** How long a browser may take, in milliseconds. */
const verifyMs = 120_000;

const verify = async (): Promise<Verified> => {
  const { bundle, identity } = await api.exportReceipts({});
  return await verifyExport({ bytes: bundle, identity }, AbortSignal.timeout(verifyMs));
};

const download = async (): Promise<void> => {
  const { bundle, identity } = await api.exportReceipts({});
  const save = (name: string, bytes: Uint8Array<ArrayBuffer> | string): void => {
    const url = URL.createObjectURL(new Blob([bytes]));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    URL.revokeObjectURL(url);
  };
  save("receipts.json", new Uint8Array(bundle));
  save("guardian-key.hex", `${identity}\n`);
};

const historyText = (history: Checked["history"], before: Seen | undefined): string => {
  const then = before === undefined ? "" : `the ${grouped(before.size)} of ${exact(before.atMs)}`;
  switch (history) {
    case "first":
      return "This browser verified it for the first time; the next time it is compared with this.";
    case "extends":
      return `It holds, unchanged, ${then} that this browser verified before.`;
    case "rolled-back":
      return `It holds fewer receipts than ${then}: it was rolled back.`;
    case "rewritten":
      return `It does not hold ${then} as they were: it was rewritten.`;
    case "other-key":
      return `It is signed with another key than ${then}: another Guardian, or a new data folder.`;
  }
};

const isBad = ({ checked }: Verified): boolean =>
  !checked.report.ok || !["first", "extends"].includes(checked.history);

const Result = ({ verified }: { readonly verified: Verified }): ReactElement => {
  const { checked, fingerprint, before } = verified;
  const { report, history } = checked;
  const bad = isBad(verified);
  return (
    <div className={`verified ${bad ? "verified-bad" : "verified-good"}`} data-verified={!bad}>
      <p className={`mark ${bad ? "tone-bad" : "tone-good"}`}>
        <Icon name={bad ? "bad" : "good"} />
        <strong>
          {report.ok
            ? `${grouped(report.checked)} receipts are good`
            : `Wrong from receipt ${report.firstBad?.index ?? 0} on: ${visibleText(report.firstBad?.reason ?? "")}`}
        </strong>
      </p>
      {report.ok ? <p>{historyText(history, before)}</p> : null}
      <dl className="detail-facts">
        <div>
          <dt>Root</dt>
          <dd>
            <Hash hex={report.root ?? ""} />
          </dd>
        </div>
        <div>
          <dt>Key's fingerprint</dt>
          <dd>
            <Hash hex={fingerprint} />
          </dd>
        </div>
        <div>
          <dt>Anchor</dt>
          <dd>{report.anchor}</dd>
        </div>
      </dl>
      <div className="two">
        <div>
          <h2 className="group">What this shows</h2>
          <ul>
            {proved.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </div>
        <div>
          <h2 className="group">What it does not show</h2>
          <ul>
            {notProved.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        </div>
      </div>
    </div>
  );
};

export const VerifyPanel = (): ReactElement => {
  const check = useMutation({
    mutationFn: verify,
    onSuccess: (verified) =>
      announce(
        isBad(verified)
          ? "The receipts do not verify"
          : `${verified.checked.report.checked} receipts verified`,
      ),
  });
  const save = useMutation({ mutationFn: download });
  const failure = check.error ?? save.error;
  return (
    <section className="verify" aria-label="Verify">
      <div className="verify-head">
        <p className="muted">
          Checked here, with this browser's own arithmetic: the console is not believed.
        </p>
        <div className="actions">
          <button
            type="button"
            className="button primary"
            disabled={check.isPending}
            onClick={() => check.mutate()}
          >
            <Labelled icon="receipt">Verify in this browser</Labelled>
          </button>
          <button
            type="button"
            className="button"
            disabled={save.isPending}
            onClick={() => save.mutate()}
          >
            <Labelled icon="download">Export</Labelled>
          </button>
        </div>
      </div>
      {check.isPending ? <Waiting what="Hashing every receipt" /> : null}
      {failure === null ? null : <ProblemNote error={failure} />}
      {check.data === undefined ? null : <Result verified={check.data} />}
    </section>
  );
};
