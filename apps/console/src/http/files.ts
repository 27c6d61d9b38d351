/**
 * Static files: those of the page that was built, and the console's own few. A file is served when
 * its path is made of plain names below the folder and it is no link; types are a fixed list.
 * TypeScript of ours is served as the JavaScript that is left when its types are gone.
 */
import fs from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { staticBytesMax, staticCacheBytesMax } from "../limits.ts";

export interface StaticFile {
  readonly bytes: Buffer;
  readonly type: string;
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".txt": "text/plain; charset=utf-8",
};

/** Names of a path that stay below the folder; undefined for any other path. */
export const plainNames = (given: string): readonly string[] | undefined => {
  const names = given.replace(/^\//, "").split("/");
  const plain = names.every((name) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name));
  return plain && names.length <= 8 ? names : undefined;
};

const readPlain = (file: string): Buffer | undefined => {
  let fd: number;
  try {
    fd = fs.openSync(
      file,
      fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK,
    );
  } catch {
    return undefined;
  }
  try {
    const stat = fs.fstatSync(fd);
    return stat.isFile() && stat.size <= staticBytesMax ? fs.readFileSync(fd) : undefined;
  } finally {
    fs.closeSync(fd);
  }
};

/** A folder whose files do not change while it is served. */
export class StaticFolder {
  readonly #folder: string;
  readonly #cache: Map<string, StaticFile> = new Map();
  #cached = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  read(given: string): StaticFile | undefined {
    const names = plainNames(given);
    const type = types[path.extname(given)];
    if (names === undefined || type === undefined) return undefined;
    const known = this.#cache.get(given);
    if (known !== undefined) return known;
    const bytes = this.#load(path.join(this.#folder, ...names));
    if (bytes === undefined) return undefined;
    const file = { bytes, type };
    if (this.#cached + bytes.length <= staticCacheBytesMax) {
      this.#cached += bytes.length;
      this.#cache.set(given, file);
    }
    return file;
  }

  #load(file: string): Buffer | undefined {
    const bytes = readPlain(file);
    if (bytes !== undefined || !file.endsWith(".js")) return bytes;
    const source = readPlain(`${file.slice(0, -".js".length)}.ts`);
    if (source === undefined) return undefined;
    return Buffer.from(
      stripTypeScriptTypes(source.toString("utf8"), { mode: "strip" }).replaceAll(
        /(from "\.\/[a-z-]+)\.ts"/g,
        '$1.js"',
      ),
    );
  }
}

/** Pages that are kept open: the newest, and one that a tab may still be reading. */
const pagesOpenMax = 2;

/** The page that was built last: `<pages>/<name>`, where the file `current` holds the name. */
export class Pages {
  readonly #pages: string;
  readonly #open: Map<string, StaticFolder> = new Map();

  constructor(pages: string) {
    this.#pages = pages;
  }

  #current(): StaticFolder | undefined {
    if (this.#pages === "") return undefined;
    const said = readPlain(path.join(this.#pages, "current"))?.toString("latin1").trim() ?? "";
    if (!/^[0-9a-f]{32}$/.test(said)) return undefined;
    const known = this.#open.get(said);
    if (known !== undefined) return known;
    const folder = new StaticFolder(path.join(this.#pages, said));
    this.#open.set(said, folder);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= pagesOpenMax) break;
      this.#open.delete(oldest);
    }
    return folder;
  }

  /** The page itself; undefined until it was built. */
  index(): StaticFile | undefined {
    return this.#current()?.read("/index.html");
  }

  read(given: string): StaticFile | undefined {
    for (const folder of [this.#current(), ...this.#open.values()]) {
      const file = folder?.read(given);
      if (file !== undefined) return file;
    }
    return undefined;
  }
}
