/** The path of a search through the index, as a picture and as a list of the same steps. */
import type { RecallVerdict } from "@ioi/verifier";
import type { ReactElement } from "react";
import { grouped } from "../../pure/format.ts";
import { type Dot, pictureOf } from "../../pure/memory.ts";

type Proved = Extract<RecallVerdict, { readonly ok: true }>;
type Search = NonNullable<Proved["search"]>;

const radius = 4;

/** Shape carries what colour does: the entry is a diamond, an answer a square. */
const Mark = ({ dot, answer }: { readonly dot: Dot; readonly answer: boolean }): ReactElement => {
  const { x, y, at } = dot;
  if (at === 1) {
    const r = radius + 2;
    return <path className="path-entry" d={`M${x} ${y - r}l${r} ${r}l${-r} ${r}l${-r} ${-r}Z`} />;
  }
  return answer ? (
    <rect className="path-answer" x={x - 5} y={y - 5} width={10} height={10} />
  ) : (
    <circle className="path-dot" cx={x} cy={y} r={radius} />
  );
};

export const Path = ({
  verdict,
  search,
}: {
  readonly verdict: Proved;
  readonly search: Search;
}): ReactElement | null => {
  const { steps, size, answers } = search;
  if (steps.length === 0) return null;
  const memoryOf = new Map(
    answers.map(({ node, answer }) => [
      node,
      answer === undefined ? undefined : verdict.answers[answer]?.memory,
    ]),
  );
  const { dots, width, height, more } = pictureOf(steps);
  const nameOf = (node: number): string => {
    const memory = memoryOf.get(node);
    return memory === undefined ? `node ${node}` : `memory ${memory}`;
  };
  return (
    <section aria-label="The path of the search">
      <h2 className="group">
        The path of the search <span className="muted figure">{steps.length} steps</span>
      </h2>
      <p className="muted">
        What the search by vectors read of the index of {grouped(size)}, hop by hop from its entry,
        as this browser went through it again. ◆ entry, ■ an answer.
      </p>
      <div className="path-scroll" tabIndex={0} role="region" aria-label="Picture of the path">
        <svg
          className="path"
          width={width}
          height={height}
          viewBox={`0 0 ${width} ${height}`}
          role="img"
          aria-label={`${dots.length} nodes; the same as a list below`}
        >
          {dots.map(({ node, x, y, from }) =>
            from === undefined ? null : (
              <path key={node} className="path-edge" d={`M${from.x} ${from.y}L${x} ${y}`} />
            ),
          )}
          {dots.map((dot) => (
            <g key={dot.node}>
              <title>{`${dot.at}. ${nameOf(dot.node)}`}</title>
              <Mark dot={dot} answer={memoryOf.has(dot.node)} />
            </g>
          ))}
        </svg>
      </div>
      {more > 0 ? <p className="muted">{more} more steps are in the list alone.</p> : null}
      <details className="path-list">
        <summary>The same as a list</summary>
        <ol>
          {steps.map(([node, layer, from], at) => (
            <li key={`${node}/${layer}`}>
              {nameOf(node)}
              {at === 0 ? ", the entry" : from < 0 ? "" : `, by way of ${nameOf(from)}`}
              {layer > 0 ? `, on layer ${layer}` : ""}
            </li>
          ))}
        </ol>
      </details>
    </section>
  );
};
