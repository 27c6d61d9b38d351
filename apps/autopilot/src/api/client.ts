/**
 * The console, as the page calls it: Connect over fetch, in JSON, on the page's own origin and
 * behind its cookie. Nothing else is ever called.
 */
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Console } from "@ioi/wire/console";

const transport = createConnectTransport({ baseUrl: location.origin });

export const api = createClient(Console, transport);

export interface Problem {
  readonly title: string;
  readonly message: string;
  /** The cookie is gone: a new link opens the page again. */
  readonly signedOut: boolean;
  /** Not there in this version or on this machine. */
  readonly unavailable: boolean;
}

/** Header values are ASCII, with percent signs for the rest. */
const decoded = (header: string | null): string => {
  try {
    return decodeURIComponent(header ?? "");
  } catch {
    return header ?? "";
  }
};

const plain = (message: string): Problem => ({
  title: "That did not work",
  message,
  signedOut: false,
  unavailable: false,
});

/** What a failed call means for a person: what happened, why, and the next step. */
export const problemOf = (error: unknown): Problem => {
  if (!(error instanceof ConnectError)) {
    return plain(error instanceof Error ? error.message : String(error));
  }
  const next = decoded(error.metadata.get("ioi-next"));
  const message = next === "" ? error.rawMessage : `${error.rawMessage}. Next: ${next}`;
  switch (error.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return {
        title: "This tab is signed out",
        message: "Open the page again from the terminal: ./ioi open",
        signedOut: true,
        unavailable: false,
      };
    case Code.Unavailable:
      return {
        title: "The kernel does not answer",
        message: `${message}. It starts again by itself; if it does not: ./ioi status`,
        signedOut: false,
        unavailable: true,
      };
    case Code.Unimplemented:
      return { ...plain(message), title: "Not available in this version", unavailable: true };
    default:
      return plain(message);
  }
};
