/**
 * Devices that may approve. This browser's key is made and kept on the cards' page, so pairing
 * happens there: it shows a code, and the code is typed at the terminal.
 */
import { useQuery } from "@tanstack/react-query";
import type { DeviceLine } from "@ioi/wire/console";
import { type ReactElement, useState } from "react";
import { usePending } from "../api/pending.ts";
import { devicesQuery, overviewQuery } from "../api/queries.ts";
import { shortHash } from "../pure/format.ts";
import { visibleLine } from "../pure/visible.ts";
import { CardsFrame } from "../view/cards-dock.tsx";
import { Ago, Labelled } from "../view/marks.tsx";
import { useNow } from "../view/now.ts";
import { ProblemNote, Waiting } from "../view/problem.tsx";

const kinds: Readonly<Record<string, string>> = {
  terminal: "this machine's terminal",
  webcrypto: "a browser's own key",
  webauthn: "a security key or passkey",
};

/** The terminal's key was there from the beginning. */
const Since = ({ atMs, now }: { readonly atMs: bigint; readonly now: number }): ReactElement =>
  atMs === 0n ? (
    <>from the start</>
  ) : (
    <>
      paired <Ago at={atMs} now={now} />
    </>
  );

const Row = ({ device }: { readonly device: DeviceLine }): ReactElement => {
  const now = useNow();
  return (
    <li className="card-row">
      <span className="stack">
        <strong>{visibleLine(device.name) || kinds[device.kind] || device.kind}</strong>
        <span className="muted mono" title={device.id}>
          {shortHash(device.id)}
        </span>
      </span>
      <span>{kinds[device.kind] ?? device.kind}</span>
      <span className="muted">{visibleLine(device.limits)}</span>
      <span className="figure muted">
        {device.waits ? (
          <span className="tag tone-waits">waits for its code</span>
        ) : (
          <Since atMs={device.pairedMs} now={now} />
        )}
      </span>
    </li>
  );
};

const Pairing = (): ReactElement => {
  const { data } = useQuery(overviewQuery);
  const [open, setOpen] = useState(false);
  const paired = data?.device === "paired";
  // Where a decision waits the same page is docked below; one of it is enough.
  const docked = usePending() > 0;
  if (docked && paired) return <p className="muted">This browser may answer cards.</p>;
  if (docked)
    return <p className="muted">The cards' page is open below: this browser pairs there.</p>;
  return (
    <>
      <p className="actions">
        <button
          type="button"
          className="button"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          <Labelled icon="device">
            {paired ? "This browser's key" : "Let this browser approve"}
          </Labelled>
        </button>
      </p>
      {open ? <CardsFrame title="This browser's key" /> : null}
    </>
  );
};

export const Devices = (): ReactElement => {
  const { data, error, refetch } = useQuery(devicesQuery);
  if (error !== null) return <ProblemNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="Reading the devices" />;
  return (
    <>
      <p className="muted">
        A card counts when one of these signed it. One is removed at the terminal:{" "}
        <code>./ioi devices revoke ID</code>.
      </p>
      <ul className="cards-list" aria-label="Devices">
        {data.map((device) => (
          <Row key={device.id} device={device} />
        ))}
      </ul>
      <Pairing />
    </>
  );
};
