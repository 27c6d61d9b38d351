/**
 * Where a path stands among the roots of a session. Patterns name roots; a decision works out once
 * for every path below which roots it is, and then matches only the part below.
 */
import { parseCanonicalUrl } from "./net/url.ts";
import { foldCase, isWithin, segmentsOf } from "./paths.ts";
import type { Root, SessionContext } from "./types.ts";

/** The name under which patterns reach the person's home. */
export const homeRoot = "~";
export const scopeRoot = "scope";
/** The folders of a session: `scope` and, where there are several, `scope2` and so on. */
export const isScopeName = (name: string): boolean => /^scope[0-9]*$/.test(name);

export interface RootTable {
  readonly roots: readonly Root[];
  /** Position in `roots` and in {@link Place.offsets}; the home is the last. */
  readonly index: ReadonlyMap<string, number>;
  /** Positions by the name in a pattern: `scope` means each of the session's own folders. */
  readonly positions: ReadonlyMap<string, readonly number[]>;
  readonly depths: readonly number[];
  readonly productFolders: readonly string[];
  /** URLs that the person typed, and the hosts that the person typed or accepted. */
  readonly urls: ReadonlySet<string>;
  readonly sites: ReadonlySet<string>;
}

/** One path, looked at from every root. */
export interface Place {
  readonly path: string;
  readonly segments: readonly string[];
  /** Its mount folds case: every comparison does. */
  readonly insensitive: boolean;
  /** Segments before the part below each root; -1 where the path is not below it. */
  readonly offsets: readonly number[];
  folded: readonly string[] | undefined;
}

const sitesOf = ({ urls = [], task }: SessionContext): ReadonlySet<string> => {
  const sites = new Set(task?.sites);
  for (const text of urls) {
    const url = parseCanonicalUrl(text);
    if (url.ok) sites.add(url.value.host);
  }
  return sites;
};

const makeTable = (session: SessionContext): RootTable => {
  const normal = (path: string): string => path.normalize("NFC");
  const roots: Root[] = session.roots.map((root) => ({ ...root, path: normal(root.path) }));
  roots.push({ name: homeRoot, path: normal(session.home), access: "read" });
  const index = new Map<string, number>();
  for (const [at, { name }] of roots.entries()) if (!index.has(name)) index.set(name, at);
  const positions = new Map<string, readonly number[]>();
  for (const [name, at] of index) positions.set(name, [at]);
  const scopes = [...roots.keys()].filter((at) => isScopeName((roots[at] as Root).name));
  if (scopes.length > 0) positions.set(scopeRoot, scopes);
  return {
    roots,
    index,
    positions,
    depths: roots.map(({ path }) => segmentsOf(path).length),
    productFolders: session.productFolders.map(normal),
    urls: new Set(session.urls),
    sites: sitesOf(session),
  };
};

const tables = new WeakMap<SessionContext, RootTable>();

export const rootTable = (session: SessionContext): RootTable => {
  const known = tables.get(session);
  if (known !== undefined) return known;
  const made = makeTable(session);
  tables.set(session, made);
  return made;
};

export const foldedOf = (place: Place): readonly string[] =>
  (place.folded ??= place.segments.map(foldCase));

/** `isWithin` as the mount of the path compares names. */
export const isPlaceWithin = (place: Place, folder: string): boolean =>
  isWithin(place.path, folder) ||
  (place.insensitive && isWithin(`/${foldedOf(place).join("/")}`, foldCase(folder)));

/** The path is above the folder: what happens to it happens to the folder. */
export const isPlaceAbove = (place: Place, folder: string): boolean =>
  isWithin(folder, place.path) ||
  (place.insensitive && isWithin(foldCase(folder), `/${foldedOf(place).join("/")}`));

export const placeOf = (path: string, insensitive: boolean, table: RootTable): Place => {
  const normal = path.normalize("NFC");
  const place: Place = {
    path: normal,
    segments: segmentsOf(normal),
    insensitive,
    offsets: [],
    folded: undefined,
  };
  return {
    ...place,
    offsets: table.roots.map((root, at) =>
      isPlaceWithin(place, root.path) ? (table.depths[at] as number) : -1,
    ),
  };
};

/** The innermost root (never the home as such) that holds the path; it decides the access. */
export const rootOfPlace = (place: Place, table: RootTable): Root | undefined => {
  let best: Root | undefined;
  let bestDepth = -1;
  for (let at = 0; at < table.roots.length - 1; at++) {
    const root = table.roots[at] as Root;
    const depth = place.offsets[at] as number;
    if (depth < 0 || depth < bestDepth) continue;
    if (depth > bestDepth || root.access === "write") [best, bestDepth] = [root, depth];
  }
  return best;
};

/** Whether the part below some root that a pattern's name means fits; `fits` gets its offset. */
export const someBelow = (
  place: Place,
  name: string,
  table: RootTable,
  fits: (offset: number) => boolean,
): boolean => {
  for (const at of table.positions.get(name) ?? []) {
    const offset = place.offsets[at] as number;
    if (offset >= 0 && fits(offset)) return true;
  }
  return false;
};

export const isInRoot = (place: Place, name: string, table: RootTable): boolean =>
  someBelow(place, name, table, () => true);

/** `scope:/a.txt` where a root holds the path, else the path. The innermost root names it. */
export const showPath = (place: Place, table: RootTable): string => {
  const root = rootOfPlace(place, table);
  if (root === undefined) return place.path;
  const offset = place.offsets[table.index.get(root.name) as number] as number;
  return `${root.name}:/${place.segments.slice(offset).join("/")}`;
};
