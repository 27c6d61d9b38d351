/** The one consent before text leaves this machine: what is masked, and what is not. */
import type { ReactElement } from "react";

const consentText: readonly string[] = [
  "What the agent reads for a task is sent to this server as it is: nothing is masked in this version, neither names and addresses nor e-mail, phone and card numbers, nor keys that stand in a file.",
  "The server's owner sees it and may keep it. Every request leaves a receipt here.",
];

export const Consent = ({
  agreed,
  onChange,
}: {
  readonly agreed: boolean;
  readonly onChange: (next: boolean) => void;
}): ReactElement => (
  <div className="note note-ask consent">
    <div>
      {consentText.map((each) => (
        <p key={each}>{each}</p>
      ))}
      <label className="check">
        <input
          type="checkbox"
          checked={agreed}
          onChange={({ target }) => onChange(target.checked)}
        />
        <span>Send it as it is. This holds for every model that is not on this machine.</span>
      </label>
    </div>
  </div>
);
