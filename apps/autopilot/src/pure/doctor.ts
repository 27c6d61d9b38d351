/** `ioi.doctor/1` as the page reads it; a field that is missing or of another type reads as absent. */

import { fields, list, number, parsed, text, texts } from "./fields.ts";

export interface DoctorView {
  readonly ok: boolean;
  readonly tried: number;
  readonly held: number;
  readonly escaped: number;
  readonly inapplicable: number;
  /** Milliseconds; undefined where none was started. */
  readonly spawnP95Ms: number | undefined;
  readonly anchor: string;
  readonly rollbackProtection: boolean;
  readonly scrubber: string;
  readonly mechanisms: readonly {
    readonly name: string;
    readonly available: boolean;
    readonly used: boolean;
    readonly version: string;
  }[];
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number;
    readonly uid: number;
    readonly sandbox: readonly string[];
    readonly mib: number;
  }[];
  readonly gaps: readonly {
    readonly id: string;
    readonly severity: "high" | "low" | "note";
    readonly what: string;
    readonly install: string;
  }[];
}

const severityOf = (value: unknown): "high" | "low" | "note" =>
  value === "high" || value === "low" ? value : "note";

/** Undefined where the text is no `ioi.doctor/1`. */
export const parseDoctor = (json: string): DoctorView | undefined => {
  const found = parsed(json, "ioi.doctor/1");
  if (found === undefined) return undefined;
  const anchor = fields(found["anchor"]);
  return {
    ok: found["ok"] === true,
    tried: number(found["tried"]),
    held: number(found["held"]),
    escaped: number(found["escaped"]),
    inapplicable: number(found["inapplicable"]),
    spawnP95Ms: typeof found["spawnP95Ms"] === "number" ? found["spawnP95Ms"] : undefined,
    anchor: text(anchor["kind"]),
    rollbackProtection: anchor["rollbackProtection"] === true,
    scrubber: text(found["scrubber"]),
    mechanisms: list(found["mechanisms"]).map((each) => ({
      name: text(each["name"]),
      available: each["available"] === true,
      used: each["used"] === true,
      version: text(each["version"]),
    })),
    processes: list(found["processes"]).map((each) => ({
      name: text(each["name"]),
      pid: number(each["pid"]),
      uid: number(each["uid"]),
      sandbox: texts(each["sandbox"]),
      mib: number(each["pssMiB"]),
    })),
    gaps: list(found["gaps"]).map((each) => ({
      id: text(each["id"]),
      severity: severityOf(each["severity"]),
      what: text(each["what"]),
      install: text(each["install"]),
    })),
  };
};
