/** What this machine is connected with: models, secrets, and devices that may approve. */
import { Tabs } from "@base-ui/react/tabs";
import type { ReactElement } from "react";
import { Icon } from "../view/icons.tsx";
import { Devices } from "./devices.tsx";
import { Models } from "./models.tsx";
import { Secrets } from "./secrets.tsx";

export const Connect = (): ReactElement => (
  <div className="screen">
    <div className="screen-head">
      <h1>Connect</h1>
    </div>
    <Tabs.Root defaultValue="models">
      <Tabs.List className="tabs" aria-label="What to connect">
        <Tabs.Tab value="models" className="tab">
          <Icon name="model" />
          <span>Models</span>
        </Tabs.Tab>
        <Tabs.Tab value="secrets" className="tab">
          <Icon name="key" />
          <span>Secrets</span>
        </Tabs.Tab>
        <Tabs.Tab value="devices" className="tab">
          <Icon name="device" />
          <span>Devices</span>
        </Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="models" className="panel">
        <Models />
      </Tabs.Panel>
      <Tabs.Panel value="secrets" className="panel">
        <Secrets />
      </Tabs.Panel>
      <Tabs.Panel value="devices" className="panel">
        <Devices />
      </Tabs.Panel>
    </Tabs.Root>
  </div>
);
