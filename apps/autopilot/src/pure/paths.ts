/** Paths as they are typed in a chooser. Pure; what is there is the console's to say. */

/** `~` spelled out. */
export const absolute = (typed: string, home: string): string => {
  const text = typed.trim();
  if (text === "~") return home;
  return text.startsWith("~/") ? `${home}${text.slice(1)}` : text;
};

/** The folder whose names complete what was typed: all up to the last slash. */
export const folderOf = (path: string): string => {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
};

export const join = (folder: string, name: string): string =>
  folder.endsWith("/") ? `${folder}${name}` : `${folder}/${name}`;

/** Whether names there are offered: beyond the home a folder is typed without help. */
export const isListed = (typed: string, home: string): boolean => {
  const path = absolute(typed, home);
  const parent = path.startsWith("/") ? folderOf(path) : home;
  return home !== "" && (parent === home || parent.startsWith(`${home}/`));
};

/** Without a slash at the end, but for the root. */
export const trimmed = (path: string): string => (path === "/" ? path : path.replace(/\/+$/, ""));
