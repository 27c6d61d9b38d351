/** The keys, and the switch for those that are single letters. */
import { Dialog } from "@base-ui/react/dialog";
import { Switch } from "@base-ui/react/switch";
import type { ReactElement } from "react";
import { dialogStore } from "../view/dialogs.ts";
import { Icon } from "../view/icons.tsx";
import { keyHelp, singleKeys } from "../view/keys.ts";
import { Key } from "../view/marks.tsx";

export const HelpDialog = (): ReactElement => {
  const open = dialogStore.use() === "help";
  const single = singleKeys.use();
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next && dialogStore.get() === "help") dialogStore.set(undefined);
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog help">
          <div className="dialog-head">
            <Dialog.Title>Keys</Dialog.Title>
            <Dialog.Close className="button ghost square" aria-label="Close">
              <Icon name="close" />
            </Dialog.Close>
          </div>
          <dl className="key-list">
            {keyHelp.map(({ keys, what }) => (
              <div key={what}>
                <dt>
                  {keys.map((key) => (
                    <Key key={key}>{key}</Key>
                  ))}
                </dt>
                <dd>{what}</dd>
              </div>
            ))}
          </dl>
          <div className="switch-line">
            <label id="single-keys">Single letters work as keys</label>
            <Switch.Root
              className="switch"
              checked={single}
              onCheckedChange={(on) => singleKeys.set(on)}
              aria-labelledby="single-keys"
            >
              <Switch.Thumb className="thumb" />
            </Switch.Root>
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
};
