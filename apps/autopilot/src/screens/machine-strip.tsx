/** How this machine stands, in one line; the details are a click away. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { overviewQuery } from "../api/queries.ts";
import { visibleLine } from "../pure/visible.ts";
import { Icon } from "../view/icons.tsx";

export const MachineStrip = (): ReactElement | null => {
  const { data } = useQuery(overviewQuery);
  if (data === undefined) return null;
  return (
    <ul className="strip" aria-label="This machine">
      <li>
        <Icon name="shield" />
        <Link to="/doctor">{visibleLine(data.protection) || "What protects this machine"}</Link>
      </li>
      <li>
        <Icon name="model" />
        <Link to="/connect">
          {data.defaultModel === ""
            ? "No model: direct commands work"
            : visibleLine(data.defaultModel)}
        </Link>
      </li>
      {data.unscrubbed ? (
        <li className="tone-waits">
          <Icon name="waits" />
          <Link to="/connect">Text goes to remote models as it is</Link>
        </li>
      ) : null}
      {data.policyError === "" ? null : (
        <li className="tone-bad">
          <Icon name="bad" />
          <Link to="/policy">The policy does not load: everything is denied</Link>
        </li>
      )}
    </ul>
  );
};
