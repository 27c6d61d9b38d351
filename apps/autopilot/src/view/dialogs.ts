/** Which dialog is open; one at a time. */
import { makeStore, type Store } from "./store.ts";

export type OpenDialog = "spotlight" | "palette" | "help" | undefined;

export const dialogStore: Store<OpenDialog> = makeStore<OpenDialog>(undefined);

/** What Spotlight begins with: an example that was picked, or nothing. */
export const draftStore: Store<{ readonly text: string; readonly folder: string }> = makeStore({
  text: "",
  folder: "",
});

export const openSpotlight = (text = "", folder = ""): void => {
  draftStore.set({ text, folder });
  dialogStore.set("spotlight");
};
