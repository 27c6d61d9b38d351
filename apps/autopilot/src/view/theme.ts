/** The theme: the system's, or the one that was chosen. `public/theme.js` applies it before paint. */
import { kept, makeStore, type Store } from "./store.ts";

export type Theme = "system" | "light" | "dark";

const themes: readonly Theme[] = ["system", "light", "dark"];

const apply = (theme: Theme): void => {
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset["theme"];
  else dataset["theme"] = theme;
  kept.write("theme", theme);
};

const readTheme = (): Theme => themes.find((each) => each === kept.read("theme")) ?? "system";

export const themeStore: Store<Theme> = makeStore<Theme>(readTheme(), apply);

export const nextTheme = (): void => {
  const at = themes.indexOf(themeStore.get());
  themeStore.set(themes[(at + 1) % themes.length] ?? "system");
};
