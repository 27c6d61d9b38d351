/**
 * The editor of the policy: CodeMirror in a shadow root, where its styles are sheets that the page's
 * strict policy allows. It knows TOML's colours, offers words, marks problems; Tab leaves it. Loaded
 * with the screen of the policy alone.
 */
import {
  autocompletion,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import {
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { Problem } from "../pure/policy.ts";
import { offersAt, spanAt, type Words } from "../pure/policy-words.ts";

export interface EditorOptions {
  readonly parent: HTMLElement;
  readonly text: string;
  readonly label: string;
  readonly words: () => Words;
  readonly onChange: (text: string) => void;
  readonly onSave: () => void;
}

export interface Editor {
  /** Another text, as from outside; the place of the cursor stays where it can. */
  setText(text: string): void;
  setProblems(problems: readonly Problem[]): void;
  /** Puts the cursor there and the focus in the editor. */
  goTo(line: number, column: number): void;
  destroy(): void;
}

const colours = HighlightStyle.define([
  { tag: tags.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--good)" },
  { tag: tags.number, color: "var(--ask)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--text)" },
  { tag: [tags.atom, tags.bool, tags.heading], color: "var(--accent)", fontWeight: "600" },
]);

const look = EditorView.theme({
  "&": {
    height: "100%",
    color: "var(--text)",
    backgroundColor: "var(--surface)",
    fontSize: "0.8125rem",
  },
  // Its place in the page shows the focus.
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.25rem", overflow: "auto" },
  ".cm-content": { caretColor: "var(--text)", padding: "0.5rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-line": { padding: "0 0.75rem 0 0.25rem" },
  ".cm-gutters": {
    backgroundColor: "var(--surface)",
    color: "var(--muted)",
    border: "0",
  },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "2.25rem", padding: "0 0.5rem 0 0.25rem" },
  ".cm-gutter-lint": { width: "1rem" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 60%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--text)" },
  ".cm-content ::selection, .cm-content::selection": {
    backgroundColor: "color-mix(in srgb, var(--accent) 30%, transparent)",
  },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--bad)",
    textUnderlineOffset: "0.2em",
  },
  ".cm-lintRange-warning, .cm-lintRange-info": {
    backgroundImage: "none",
    textDecoration: "underline dotted var(--ask)",
    textUnderlineOffset: "0.2em",
  },
  ".cm-lint-marker": {
    content: "none",
    width: "0.5rem",
    height: "0.5rem",
    margin: "0.375rem auto",
    borderRadius: "1px",
  },
  ".cm-lint-marker-error": { backgroundColor: "var(--bad)", transform: "rotate(45deg)" },
  ".cm-lint-marker-warning": { backgroundColor: "var(--ask)", borderRadius: "50%" },
  ".cm-lint-marker-info": { backgroundColor: "var(--muted)", borderRadius: "50%" },
  ".cm-tooltip": {
    border: "1px solid var(--line-strong)",
    borderRadius: "0.375rem",
    backgroundColor: "var(--raised)",
    color: "var(--text)",
    boxShadow: "var(--shadow)",
    fontFamily: "var(--sans)",
    maxWidth: "32rem",
  },
  ".cm-tooltip .cm-diagnostic": { borderLeft: "0", padding: "0.375rem 0.625rem" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": {
    fontFamily: "var(--mono)",
    maxHeight: "14rem",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.125rem 0.5rem" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent)",
    color: "var(--on-accent)",
  },
  ".cm-completionDetail": {
    fontStyle: "normal",
    fontFamily: "var(--sans)",
    color: "var(--muted)",
    marginLeft: "0.75rem",
  },
  "li[aria-selected] .cm-completionDetail": { color: "var(--on-accent)" },
  ".cm-panels": {
    backgroundColor: "var(--sunken)",
    color: "var(--text)",
    borderColor: "var(--line)",
  },
  ".cm-panel.cm-search": { fontFamily: "var(--sans)", fontSize: "0.75rem" },
  ".cm-textfield, .cm-button": { fontSize: "0.75rem", borderRadius: "0.25rem" },
  ".cm-textfield": {
    border: "1px solid var(--line-strong)",
    backgroundColor: "var(--surface)",
    color: "var(--text)",
  },
  ".cm-button": {
    border: "1px solid var(--line-strong)",
    backgroundImage: "none",
    backgroundColor: "var(--surface)",
    color: "var(--text)",
  },
  ".cm-specialChar": { color: "var(--bad)" },
});

const severityOf = ({ severity }: Problem): Diagnostic["severity"] =>
  severity === "note" ? "info" : severity;

const complete =
  (words: () => Words) =>
  (context: CompletionContext): CompletionResult | null => {
    const offers = offersAt(context.state.doc.toString(), context.pos, words());
    if (offers === undefined || offers.options.length === 0) return null;
    if (!context.explicit && offers.from === context.pos) return null;
    return {
      from: offers.from,
      options: offers.options.map(({ label, insert, detail }, at) => ({
        label,
        detail,
        // As they were given: what must be said stands first.
        boost: Math.max(-99, 99 - at),
        ...(insert === undefined ? {} : { apply: insert }),
      })),
    };
  };

const extensions = ({ label, words, onChange, onSave }: EditorOptions) => [
  lineNumbers(),
  highlightActiveLineGutter(),
  highlightSpecialChars(),
  history(),
  highlightActiveLine(),
  highlightSelectionMatches(),
  EditorView.lineWrapping,
  StreamLanguage.define(toml),
  syntaxHighlighting(colours),
  autocompletion({ override: [complete(words)], icons: false }),
  lintGutter(),
  search({ top: true }),
  keymap.of([
    {
      key: "Mod-s",
      preventDefault: true,
      run: () => {
        onSave();
        return true;
      },
    },
    ...completionKeymap,
    ...searchKeymap,
    ...historyKeymap,
    ...defaultKeymap,
  ]),
  EditorView.contentAttributes.of({
    "aria-label": label,
    tabindex: "0",
    spellcheck: "false",
    autocapitalize: "off",
    autocorrect: "off",
  }),
  EditorView.updateListener.of((update) => {
    if (update.docChanged) onChange(update.state.doc.toString());
  }),
  look,
];

export const openEditor = (options: EditorOptions): Editor => {
  const root = options.parent.shadowRoot ?? options.parent.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({ doc: options.text, extensions: extensions(options) }),
  });
  return {
    setText: (text) => {
      const before = view.state.doc.toString();
      if (before === text) return;
      const anchor = Math.min(view.state.selection.main.anchor, text.length);
      view.dispatch({
        changes: { from: 0, to: before.length, insert: text },
        selection: { anchor },
      });
    },
    setProblems: (problems) => {
      const source = view.state.doc.toString();
      const found = problems.map((problem): Diagnostic => ({
        ...spanAt(source, problem.line, problem.column),
        severity: severityOf(problem),
        message: problem.message,
      }));
      view.dispatch(setDiagnostics(view.state, found));
    },
    goTo: (line, column) => {
      const { from } = spanAt(view.state.doc.toString(), line, column);
      view.dispatch({ selection: { anchor: from }, scrollIntoView: true });
      view.focus();
    },
    destroy: () => view.destroy(),
  };
};
