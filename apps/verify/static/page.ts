/**
 * What the page does: takes a proof and hashes, and says what the verdict is, what it shows and what
 * it does not. Texts of strangers are shown as text.
 */
import { type RecallTrust, type RecallVerdict, verifyRecall } from "@ioi/verifier";

const byId = (id: string): HTMLElement => {
  const found = document.querySelector<HTMLElement>(`#${id}`);
  if (found === null) throw new Error(`no ${id} in the page`);
  return found;
};

const element = (tag: string, text: string, className = ""): HTMLElement => {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== "") made.className = className;
  return made;
};

const list = (items: readonly string[]): HTMLElement => {
  const made = document.createElement("ul");
  made.append(...items.map((item) => element("li", item)));
  return made;
};

/** The hash in a field; undefined where it is empty. */
const hashIn = (id: string): Uint8Array | undefined | "malformed" => {
  const text = (byId(id) as HTMLInputElement).value.trim().toLowerCase();
  if (text === "") return undefined;
  if (!/^[0-9a-f]{64}$/.test(text)) return "malformed";
  return Uint8Array.from({ length: 32 }, (_, i) =>
    Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
  );
};

const proofBytes = async (): Promise<Uint8Array | undefined> => {
  const file = (byId("file") as HTMLInputElement).files?.[0];
  if (file !== undefined) return new Uint8Array(await file.arrayBuffer());
  const embedded = byId("proof").textContent.trim();
  return embedded === ""
    ? undefined
    : Uint8Array.from(atob(embedded), (char) => char.charCodeAt(0));
};

const answersOf = (verdict: Extract<RecallVerdict, { readonly ok: true }>): HTMLElement[] =>
  verdict.answers.flatMap(({ memory, content }, place) => {
    const { origin, source, atMs, text } = content;
    const rank = verdict.search?.answers.findIndex(({ answer }) => answer === place) ?? -1;
    const found = rank < 0 ? "" : ` · ${rank + 1}. of the search by vectors`;
    const from = `From ${origin.kind}: ${origin.from}${source === "" ? "" : ` · ${source}`}`;
    const said = element("pre", text);
    said.dir = "auto";
    return [
      element("h3", `Memory ${memory}`),
      said,
      element("p", `${from} · ${new Date(atMs).toISOString()}${found}`),
    ];
  });

const show = (verdict: RecallVerdict): void => {
  const result = byId("result");
  result.dataset["ok"] = `${verdict.ok}`;
  if (!verdict.ok) {
    result.replaceChildren(
      element("h2", "Refused", "verdict"),
      element("p", `Nothing of this proof is to be believed: ${verdict.reason}.`),
    );
    return;
  }
  result.replaceChildren(
    element("h2", "Verified", "verdict"),
    element("h3", "Shown"),
    list(verdict.shown),
    element("h3", "Not shown"),
    list(verdict.notShown),
    element("h2", "Memories"),
    ...answersOf(verdict),
  );
};

const refuse = (reason: string): void => show({ ok: false, reason });

const verify = async (): Promise<void> => {
  const ids = ["commit", "root", "index-root", "challenge"];
  const hashes = ids.map(hashIn).filter((hash) => hash !== "malformed");
  if (hashes.length < ids.length) {
    refuse("a hash above is not 64 hex digits");
    return;
  }
  const [commit, logRoot, indexRoot, challenge] = hashes;
  const trust: RecallTrust = {
    ...(commit === undefined ? {} : { commit }),
    ...(logRoot === undefined ? {} : { logRoot }),
    ...(indexRoot === undefined ? {} : { indexRoot }),
    ...(challenge === undefined ? {} : { challenge }),
  };
  const proof = await proofBytes();
  if (proof === undefined) refuse("no proof was given");
  else show(verifyRecall(proof, trust));
};

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  verify().catch((error: unknown) => refuse(error instanceof Error ? error.message : "unknown"));
});
