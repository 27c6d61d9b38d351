/** TypeScript from the protobuf definitions. */
import { type Ended, run, tool } from "./project.ts";

/** Where the committed code is. */
export const generated = "packages/wire/src/gen";

/** Writes the code for everything under `proto/` into a folder. */
export const generateProtobuf = (root: string, folder: string): Promise<Ended> => {
  const plugin = {
    local: tool("protoc-gen-es"),
    out: folder,
    opt: ["target=ts", "import_extension=ts", "erasable_syntax=true"],
  };
  const template = JSON.stringify({ version: "v2", plugins: [plugin] });
  return run(tool("buf"), ["generate", "proto", "--template", template], {
    cwd: root,
    timeoutMs: 120_000,
  });
};
