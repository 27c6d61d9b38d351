/**
 * What stands around every screen: where one can go, what waits, how this machine is protected, and
 * the cards that ask. The cards are a frame of another origin; they dock below the screen and never
 * cover it.
 */
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense, useEffect, useState } from "react";
import { problemOf } from "../api/client.ts";
import { useLink } from "../api/link.ts";
import { usePending } from "../api/pending.ts";
import { overviewQuery } from "../api/queries.ts";
import { useAnnouncements } from "../view/announce.ts";
import { CardsDock } from "../view/cards-dock.tsx";
import { dialogStore, openSpotlight } from "../view/dialogs.ts";
import { Icon, type IconName } from "../view/icons.tsx";
import { Key } from "../view/marks.tsx";
import { nextTheme, themeStore } from "../view/theme.ts";

/** How long after the first screen the dialogs are loaded, in milliseconds. */
const dialogsAfterMs = 300;

const places = [
  { to: "/", icon: "task", text: "Tasks" },
  { to: "/memory", icon: "memory", text: "Memory" },
  { to: "/policy", icon: "rules", text: "Policy" },
  { to: "/receipts", icon: "receipt", text: "Receipts" },
  { to: "/connect", icon: "connect", text: "Connect" },
  { to: "/doctor", icon: "shield", text: "Doctor" },
] as const;

const themeIcons = { system: "auto", light: "sun", dark: "moon" } as const satisfies Record<
  string,
  IconName
>;

const ThemeButton = (): ReactElement => {
  const theme = themeStore.use();
  return (
    <button
      type="button"
      className="button ghost square"
      onClick={nextTheme}
      aria-label={`Theme: ${theme}`}
      title={`Theme: ${theme}`}
    >
      <Icon name={themeIcons[theme]} />
    </button>
  );
};

const linkTexts = {
  connecting: "Connecting",
  live: "Live",
  retrying: "Connection lost, trying again",
  closed: "Disconnected: reload",
} as const;

const StatusLine = (): ReactElement => {
  const link = useLink();
  const { data, error } = useQuery(overviewQuery);
  const text = error === null ? linkTexts[link] : problemOf(error).title;
  const good = link === "live" && error === null;
  return (
    <p className={`status ${good ? "status-good" : "status-off"}`} aria-live="off">
      <span className="dot" aria-hidden="true" />
      <span>{text}</span>
      {data === undefined ? null : <span className="muted status-version">{data.version}</span>}
    </p>
  );
};

const Rail = (): ReactElement => {
  const pending = usePending();
  return (
    <header className="rail">
      <div className="rail-top">
        <Link to="/" className="brand" aria-label="IOI, tasks">
          IOI
        </Link>
        <button type="button" className="button new-task" onClick={() => openSpotlight()}>
          <Icon name="plus" />
          <span className="grow">New task</span>
          <span className="keys" aria-hidden="true">
            <Key>Ctrl</Key>
            <Key>K</Key>
          </span>
        </button>
      </div>
      <nav aria-label="Screens">
        {places.map(({ to, icon, text }) => (
          <Link
            key={to}
            to={to}
            className="place"
            activeProps={{ "aria-current": "page" }}
            activeOptions={{ exact: true }}
          >
            <Icon name={icon} />
            <span>{text}</span>
            {to === "/" && pending > 0 ? (
              <span className="badge" title={`${pending} to decide`}>
                {pending}
              </span>
            ) : null}
          </Link>
        ))}
      </nav>
      <div className="rail-end">
        <StatusLine />
        <div className="rail-buttons">
          <ThemeButton />
          <button
            type="button"
            className="button ghost square"
            onClick={() => dialogStore.set("help")}
            aria-label="Keys"
            title="Keys (?)"
          >
            <Icon name="keyboard" />
          </button>
        </div>
      </div>
    </header>
  );
};

/** What is said to a screen reader as it happens. */
const Announcer = (): ReactElement => (
  <div className="unseen" role="status" aria-live="polite" aria-label="What happened">
    {useAnnouncements().map(({ id, text }) => (
      <p key={id}>{text}</p>
    ))}
  </div>
);

/** After a change of screen the reading goes on at its heading, not at the link that was used. */
const useHeadingFocus = (): void => {
  const path = useRouterState({ select: ({ location }) => location.pathname });
  useEffect(() => {
    const active = document.activeElement;
    if (active === null || active === document.body || active.closest("nav") !== null) {
      document.querySelector<HTMLElement>("main")?.focus({ preventScroll: true });
    }
  }, [path]);
};

const loadDialogs = () => import("./dialogs.tsx");
const AllDialogs = lazy(async () => ({ default: (await loadDialogs()).Dialogs }));

/** Loaded once the screen stands, or when the first one is asked for. */
const Dialogs = (): ReactElement | null => {
  const open = dialogStore.use();
  const [idle, setIdle] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIdle(true), dialogsAfterMs);
    return () => clearTimeout(timer);
  }, []);
  if (open === undefined && !idle) return null;
  return (
    <Suspense fallback={null}>
      <AllDialogs />
    </Suspense>
  );
};

export const Shell = (): ReactElement => {
  useHeadingFocus();
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={skip}>
        To the content
      </a>
      <Rail />
      <div className="work">
        <main id="main" tabIndex={-1}>
          <Outlet />
        </main>
        <CardsDock />
      </div>
      <Announcer />
      <Dialogs />
    </div>
  );
};

/** The address after the `#` is the screen's, so the jump is made here. */
const skip = (event: { preventDefault(): void }): void => {
  event.preventDefault();
  document.querySelector<HTMLElement>("#main")?.focus();
};
