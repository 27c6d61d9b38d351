/**
 * Builds the page: `<pages>/<hash>` with `index.html` and hashed assets. It is put together in a
 * temporary folder and renamed when whole, so that a page which is there is a whole one; two builds
 * at once make the same page and the first one wins. `<pages>/current` names the page to serve.
 *
 * The output fits a strict policy: no script or style in place, nothing evaluated.
 */
import fs from "node:fs";
import path from "node:path";
import type { Plugin } from "vite";
import { inputsHash } from "./inputs.ts";

/** The page that was current before this one stays: a console may be serving it. */
const pagesKept = 2;

const project: string = path.resolve(import.meta.dirname, "../../..");

/** Where pages lie in an installation. */
export const defaultPages: string = path.join(project, ".runtime/page");

/** Asks for the rest of the page while the document is being painted. */
const preload: Plugin = {
  name: "ioi-preload",
  transformIndexHtml: {
    order: "post",
    handler: (_html, { bundle: made = {} }) => {
      const app = Object.values(made).find(
        (each) => each.type === "chunk" && each.facadeModuleId?.endsWith("/src/app.tsx") === true,
      );
      if (app?.type !== "chunk") throw new Error("the page has no app.tsx");
      return [app.fileName, ...app.imports].map((file) => ({
        tag: "link",
        attrs: { rel: "modulepreload", crossorigin: true, href: `/${file}` },
        injectTo: "head" as const,
      }));
    },
  },
};

const bundle = async (outDir: string): Promise<void> => {
  // Loaded only where something is built: it takes longer than looking.
  const { build } = await import("vite");
  await build({
    root: path.join(project, "apps/autopilot"),
    configFile: false,
    envFile: false,
    plugins: [preload],
    logLevel: "error",
    cacheDir: path.join(outDir, "../tmp-cache"),
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2023",
      assetsInlineLimit: 0,
      // Its helper is a script in place.
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 2000,
    },
    worker: { format: "es" },
  });
};

const writeWhole = (file: string, text: string): void => {
  const temporary = `${file}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, text);
  fs.renameSync(temporary, file);
};

const removeOld = (pages: string, current: string): void => {
  const others = fs
    .readdirSync(pages)
    .filter((name) => /^[0-9a-f]{32}$/.test(name) && name !== current)
    .map((name) => ({ name, at: fs.statSync(path.join(pages, name)).mtimeMs }))
    .toSorted((a, b) => b.at - a.at);
  for (const { name } of others.slice(pagesKept - 1)) {
    fs.rmSync(path.join(pages, name), { recursive: true, force: true });
  }
};

export interface BuiltPage {
  readonly folder: string;
  readonly hash: string;
  /** False: it was there already. */
  readonly built: boolean;
}

/** The page of the present sources, built if it is not there. */
export const ensurePage = async (pages: string = defaultPages): Promise<BuiltPage> => {
  const hash = inputsHash(project);
  const folder = path.join(pages, hash);
  const built = !fs.existsSync(path.join(folder, "index.html"));
  if (built) {
    fs.mkdirSync(pages, { recursive: true });
    const temporary = path.join(pages, `tmp-${process.pid}`);
    try {
      await bundle(temporary);
      fs.rmSync(folder, { recursive: true, force: true });
      fs.renameSync(temporary, folder);
    } catch (error) {
      // Another build of the same page may have been first.
      if (!fs.existsSync(path.join(folder, "index.html"))) throw error;
    } finally {
      fs.rmSync(temporary, { recursive: true, force: true });
    }
  }
  const pointer = path.join(pages, "current");
  const said = fs.existsSync(pointer) ? fs.readFileSync(pointer, "utf8") : "";
  if (said !== hash) writeWhole(pointer, hash);
  if (built) removeOld(pages, hash);
  return { folder, hash, built };
};
