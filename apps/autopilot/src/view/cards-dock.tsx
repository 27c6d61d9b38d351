/**
 * Where the cards stand: a frame of the approval origin, which alone holds the browser's key. This
 * page gives it a place and nothing else; it cannot read it, fill it in, or answer it. What became
 * of a card comes back as an event.
 */
import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { usePending } from "../api/pending.ts";
import { Icon } from "./icons.tsx";
import { Key } from "./marks.tsx";
import { ProblemNote, Waiting } from "./problem.tsx";

/** The frame; a link is redeemed once, so each frame asks for its own. */
export const CardsFrame = ({ title }: { readonly title: string }): ReactElement => {
  const [made] = useState(() => crypto.randomUUID());
  const { data, error, refetch } = useQuery({
    queryKey: ["approve-link", made],
    queryFn: ({ signal }) => api.approveLink({}, { signal }),
    gcTime: 0,
  });
  if (error !== null) return <ProblemNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="Opening the cards" />;
  return (
    <iframe
      className="cards-frame"
      title={title}
      src={data.url}
      data-cards
      allow="publickey-credentials-get; publickey-credentials-create"
    />
  );
};

export const CardsDock = (): ReactElement | null => {
  const [folded, setFolded] = useState(false);
  const pending = usePending();
  if (pending === 0) return null;
  return (
    <section className={`dock ${folded ? "dock-folded" : ""}`} aria-label="To decide">
      <div className="dock-head">
        <span className="mark tone-waits">
          <Icon name="waits" />
          <strong>
            {pending === 1 ? "1 decision waits for you" : `${pending} decisions wait`}
          </strong>
        </span>
        <span className="keys muted" aria-hidden="true">
          <Key>c</Key> to the card
        </span>
        <button
          type="button"
          className="button ghost"
          aria-expanded={!folded}
          onClick={() => setFolded(!folded)}
        >
          {folded ? "Show" : "Fold"}
        </button>
      </div>
      {folded ? null : <CardsFrame title="Cards to decide" />}
    </section>
  );
};
