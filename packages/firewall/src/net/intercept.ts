/** The hosts whose encrypted connections are opened for one program, as its action names them. */
import type { FlowHost } from "@ioi/wire";
import { readHost } from "../kinds/names.ts";
import { programHostsMax } from "../limits.ts";
import { nameClass } from "./url.ts";

/** `HOST:PORT` with a space between: hosts whose connections are opened; undefined: it is not that. */
export const interceptedPlaces = (text: string): readonly FlowHost[] | undefined => {
  const places: FlowHost[] = [];
  for (const each of text.split(" ")) {
    const [, name = "", digits = ""] = /^(.+):([1-9][0-9]{0,4})$/.exec(each) ?? [];
    const host = readHost(name);
    const port = Number(digits);
    if (!host.ok || port < 1 || port > 65_535 || places.length >= programHostsMax) return undefined;
    const own = nameClass(host.value);
    if (own === "reserved") return undefined;
    places.push({ host: name, port, classes: [own], intercept: "judged" });
  }
  return places;
};
