/**
 * `ioi open`: a link to the page, good for one minute and once. With a display the browser is given
 * a file of ours that goes there, because a program's arguments can be read by every user of a
 * machine and the link must not.
 */
import { spawn } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodes } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { isUnavailable, type Kernel, openKernel } from "../kernel/connection.ts";
import { folderPaths, requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith } from "../report.ts";
import { isoTime } from "../times.ts";

const openers = ["/usr/bin/xdg-open", "/usr/local/bin/xdg-open"] as const;

export const hasDisplay = (env: Readonly<Record<string, string | undefined>>): boolean =>
  [env["DISPLAY"], env["WAYLAND_DISPLAY"]].some((each) => each !== undefined && each !== "") &&
  openers.some((each) => existsSync(each));

const makeLink = async (kernel: Kernel, cards: boolean) => {
  try {
    const links = await kernel.links();
    return await links.makeLink({ cards }, { deadlineMs: callDeadlineMs });
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    throw failWith({ code: "E_CLI_NO_PAGE", message: "nobody serves a page" }, error);
  }
};

/** The address holds letters, digits and `:/.#-_` only. */
const redirectPage = (url: string): string =>
  `<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=${url}">
<title>IOI</title>
`;

const showInBrowser = (context: CommandContext, url: string): void => {
  const opener = openers.find((each) => existsSync(each));
  if (opener === undefined || !/^http:\/\/(?:app|approve)\.localhost:\d+\/open#[\w-]+$/.test(url))
    return;
  const file = join(folderPaths(context.dataFolder).root, "run/open.html");
  rmSync(file, { force: true });
  writeFileSync(file, redirectPage(url), { mode: 0o600, flag: "wx" });
  const child = spawn(opener, [file], { stdio: "ignore", detached: true });
  child.on("error", () => undefined);
  child.unref();
};

/** Opens the page of the running kernel in the person's browser. */
export const openPage = async (context: CommandContext): Promise<void> => {
  await using kernel = await openKernel(context, { start: false });
  const { url } = await makeLink(kernel, false);
  showInBrowser(context, url);
};

interface OpenOptions {
  readonly print?: boolean;
  readonly cards?: boolean;
}

export const open: Handler<OpenOptions> = async (context, { options }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: false });
  const { url, expiresMs } = await makeLink(kernel, options.cards === true);
  const { output, io } = context;
  output.value({
    schema: "ioi.open/1",
    url,
    expiresAt: isoTime(expiresMs),
  });
  output.line(url);
  output.progress("good for one minute and once");
  if (options.print !== true && !output.json && hasDisplay(io.env)) showInBrowser(context, url);
  return exitCodes.done;
};
