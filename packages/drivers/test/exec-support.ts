/** What tests of commands share. */
import { ExecDriver } from "../src/exec/driver.ts";
import { Session, type SessionOptions } from "./support.ts";

export const execSession = (options: SessionOptions = {}): Session =>
  new Session({
    kind: "exec",
    driver: (engine, profile) => new ExecDriver(engine, profile),
    ...options,
  });

export const sh = (s: Session, script: string): ReturnType<Session["run"]> =>
  s.run(
    "sys::exec",
    { argv: ["sh", "-c", script], cwd: s.root },
    {
      obligations: [{ type: "snapshot" }, { type: "stage" }],
    },
  );

export const text = (value: unknown): string => Buffer.from(value as Uint8Array).toString();
