/**
 * An agent's and a file's text, as text: Markdown's small subset becomes elements here, and nothing
 * an agent writes is ever read as HTML. Links show where they lead, in full, and open apart from
 * the page without telling where they were clicked.
 */
import { Fragment, type ReactElement } from "react";
import type { DiffLine } from "../pure/diff.ts";
import { type Block, type Inline, parseMarkdown } from "../pure/markdown.ts";
import { visibleLine, visibleText } from "../pure/visible.ts";

const Link = ({ text, url }: { readonly text: string; readonly url: string }): ReactElement => (
  <>
    {text === url ? null : `${visibleText(text)} `}
    <a href={url} target="_blank" rel="noopener noreferrer nofollow" className="outside">
      {visibleLine(url)}
    </a>
  </>
);

const Part = ({ part }: { readonly part: Inline }): ReactElement => {
  switch (part.type) {
    case "text":
      return <>{visibleText(part.text)}</>;
    case "code":
      return <code>{visibleText(part.text)}</code>;
    case "strong":
      return <strong>{visibleText(part.text)}</strong>;
    case "emphasis":
      return <em>{visibleText(part.text)}</em>;
    case "link":
      return <Link text={part.text} url={part.url} />;
  }
};

const Parts = ({ parts }: { readonly parts: readonly Inline[] }): ReactElement => (
  <>
    {parts.map((part, index) => (
      <Part key={index} part={part} />
    ))}
  </>
);

const BlockView = ({ block }: { readonly block: Block }): ReactElement => {
  switch (block.type) {
    case "paragraph":
      return (
        <p>
          <Parts parts={block.parts} />
        </p>
      );
    case "heading":
      return (
        <p className={`said-heading said-heading-${block.level}`}>
          <Parts parts={block.parts} />
        </p>
      );
    case "quote":
      return (
        <blockquote>
          <Parts parts={block.parts} />
        </blockquote>
      );
    case "code":
      return <Lines text={block.text} label={block.language || "code"} />;
    case "list": {
      const List = block.ordered ? "ol" : "ul";
      return (
        <List>
          {block.items.map((parts, index) => (
            <li key={index}>
              <Parts parts={parts} />
            </li>
          ))}
        </List>
      );
    }
    case "cut":
      return <p className="muted">The rest of this text is too long to show.</p>;
  }
};

/** What an agent said. */
export const Said = ({ text }: { readonly text: string }): ReactElement => (
  <div className="said">
    {parseMarkdown(text).map((block, index) => (
      <BlockView key={index} block={block} />
    ))}
  </div>
);

/** A file's or a program's text, line by line; scrolled with the keyboard. */
export const Lines = ({
  text,
  label,
}: {
  readonly text: string;
  readonly label: string;
}): ReactElement => (
  <pre className="lines" tabIndex={0} role="region" aria-label={label}>
    {text
      .replace(/\n$/, "")
      .split("\n")
      .map((line, index) => (
        <Fragment key={index}>
          <span className="line">{visibleText(line)}</span>
          {"\n"}
        </Fragment>
      ))}
  </pre>
);

const signs = { same: " ", removed: "−", added: "+" } as const;

export const Diff = ({
  lines,
  label,
}: {
  readonly lines: readonly DiffLine[];
  readonly label: string;
}): ReactElement => (
  <pre className="diff" tabIndex={0} role="region" aria-label={label}>
    {lines.map(({ type, text }, index) => (
      <Fragment key={index}>
        <span className={`line line-${type}`}>
          <span className="sign">{signs[type]} </span>
          {visibleText(text)}
        </span>
        {"\n"}
      </Fragment>
    ))}
  </pre>
);
