/** The dialogs, apart: the first screen does not wait for them. */
import type { ReactElement } from "react";
import { HelpDialog } from "./help.tsx";
import { Palette } from "./palette.tsx";
import { Spotlight } from "./spotlight.tsx";

export const Dialogs = (): ReactElement => (
  <>
    <Spotlight />
    <Palette />
    <HelpDialog />
  </>
);
