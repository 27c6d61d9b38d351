/**
 * Saving: what the draft changes is shown first, then it becomes a change that waits for a device.
 * An authenticator signs it on the card below; otherwise the terminal does, and the page says how.
 */
import { useMutation, useQuery } from "@tanstack/react-query";
import type { PolicyChangeLine } from "@ioi/wire/console";
import type { ReactElement } from "react";
import { api } from "../../api/client.ts";
import { type Checked, diffQuery, refreshPolicy, type Worked } from "../../api/policy.ts";
import { overviewQuery } from "../../api/queries.ts";
import { count } from "../../pure/format.ts";
import { announce } from "../../view/announce.ts";
import { Copied } from "../../view/copied.tsx";
import { Icon } from "../../view/icons.tsx";
import { Labelled } from "../../view/marks.tsx";
import { ProblemNote, Waiting } from "../../view/problem.tsx";
import { Changes } from "./parts.tsx";

/** Why the draft cannot be saved as it is; undefined where it can. */
export const cannotSave = (
  { changed, moved }: Worked,
  { lint, current, error }: Checked,
): string | undefined => {
  if (!changed) return "Nothing is changed.";
  if (error !== null) return "The text could not be checked.";
  if (!current || lint === undefined) return "Checking the text.";
  if (lint.errors > 0) return `It does not load: ${count(lint.errors, "error")} to mend first.`;
  if (moved) return "Another text is in force than the one this draft began with.";
  return undefined;
};

/** A change of this draft that waits already. */
const Waits = ({
  change,
  deviceKind,
}: {
  readonly change: PolicyChangeLine;
  readonly deviceKind: string;
}): ReactElement => {
  const { data: overview } = useQuery(overviewQuery);
  const drop = useMutation({
    mutationFn: () => api.withdrawPolicy({ id: change.id }),
    onSettled: refreshPolicy,
  });
  return (
    <div className="note note-ask">
      <Icon name="waits" />
      <div>
        <strong>A change waits to be signed</strong>
        {deviceKind === "webauthn" ? (
          <p>
            Look at its card below and sign it there with your passkey or security key. Or at the
            terminal:
          </p>
        ) : (
          <p>
            This browser cannot sign it: only a passkey, a security key or the terminal changes the
            policy. At the terminal:
          </p>
        )}
        <Copied text={`./ioi approve ${change.id}${overview?.dataOption ?? ""}`} />
      </div>
      <button
        type="button"
        className="button"
        disabled={drop.isPending}
        onClick={() => drop.mutate()}
      >
        Withdraw
      </button>
    </div>
  );
};

export const WaitingChanges = ({ work }: { readonly work: Worked }): ReactElement => (
  <>
    {work.policy.waiting.map((change) => (
      <Waits key={change.id} change={change} deviceKind={work.policy.deviceKind} />
    ))}
  </>
);

const Propose = ({
  work,
  wider,
}: {
  readonly work: Worked;
  readonly wider: boolean;
}): ReactElement => {
  const propose = useMutation({
    mutationFn: () => api.proposePolicy({ text: work.text, baseHash: work.policy.textHash }),
    onSuccess: async () => {
      announce("The change waits to be signed");
      await refreshPolicy();
    },
  });
  const waits = work.policy.waiting.some(({ id }) => id === propose.data?.change?.id);
  if (waits) {
    return (
      <p className="mark tone-waits">
        <Icon name="waits" />
        <strong>This text waits to be signed.</strong>
      </p>
    );
  }
  return (
    <>
      {propose.error === null ? null : <ProblemNote error={propose.error} />}
      <p className="actions">
        <button
          type="button"
          className="button primary"
          disabled={propose.isPending}
          onClick={() => propose.mutate()}
        >
          <Labelled icon="good">
            {wider ? "Save, with what it newly allows" : "Save this text"}
          </Labelled>
        </button>
        <span className="muted">
          {work.policy.deviceKind === "webauthn"
            ? "Your authenticator signs it on the card below."
            : "It then waits for ./ioi approve at the terminal."}
        </span>
      </p>
    </>
  );
};

export const SavePanel = ({
  work,
  checked,
}: {
  readonly work: Worked;
  readonly checked: Checked;
}): ReactElement => {
  const why = cannotSave(work, checked);
  const comparable = work.changed && checked.current && checked.lint?.errors === 0;
  const { data, error } = useQuery({
    ...diffQuery(work.policy.textHash, work.text),
    enabled: comparable,
  });
  return (
    <div className="policy-part">
      {why === undefined ? null : <p className="muted">{why}</p>}
      {comparable && error !== null ? <ProblemNote error={error} /> : null}
      {comparable && error === null && data === undefined ? (
        <Waiting what="Working out what changes" />
      ) : null}
      {comparable && data !== undefined ? <Changes diff={data} /> : null}
      {why === undefined && data !== undefined ? (
        <Propose work={work} wider={!data.notWider} />
      ) : null}
    </div>
  );
};
