/**
 * What installing the service changes on this machine, as a list of steps: shown by `--dry-run`,
 * performed in order, and taken back in the other order. Data and its rendering; nothing is done
 * here.
 */

/** In the order in which they are made; `drivers` make requests and see none of the person's files. */
export const serviceRoles = [
  "guardian",
  "egress",
  "workload",
  "orchestrator",
  "console",
  "drivers",
] as const;
export type ServiceRole = (typeof serviceRoles)[number];

export const userOf = (role: ServiceRole): string => `ioi-${role}`;

export const unitName = "ioi.service";
export const unitPath = `/etc/systemd/system/${unitName}`;

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export type ServiceStep =
  | { readonly type: "command"; readonly argv: readonly string[] }
  /** An empty data folder of this version. */
  | { readonly type: "data"; readonly path: string }
  | { readonly type: "file"; readonly path: string; readonly mode: number; readonly text: string }
  | { readonly type: "remove"; readonly path: string };

export interface ServicePlace {
  /** Absolute. */
  readonly data: string;
  readonly project: string;
  readonly systemd: boolean;
}

const useradd = (role: ServiceRole): ServiceStep => ({
  type: "command",
  argv: [
    "useradd",
    "--system",
    "--user-group",
    "--no-create-home",
    "--home-dir",
    "/nonexistent",
    "--shell",
    "/usr/sbin/nologin",
    "--comment",
    "IOI",
    userOf(role),
  ],
});

export const userSteps: readonly ServiceStep[] = serviceRoles.map(useradd);

const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : JSON.stringify(text));

export const startCommand = ({ data, project }: ServicePlace): string =>
  `${quoted(`${project}/ioi`)} start --data ${quoted(data)}`;

export const unitText = (place: ServicePlace): string => `[Unit]
Description=IOI, the kernel for agents
After=network-online.target
Wants=network-online.target

[Service]
ExecStart=${startCommand(place)} --no-open
Restart=on-failure
KillMode=mixed
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
`;

/** Numbers are known once the users are there. */
export const identitiesText = (
  person: Account,
  users: ReadonlyMap<ServiceRole, Account>,
  place: ServicePlace,
): string => {
  const roles = Object.fromEntries(
    serviceRoles.map((role) => {
      const { name = userOf(role), uid = 0, gid = 0 } = users.get(role) ?? {};
      return [role, { name, uid, gid }];
    }),
  );
  const { name, uid, gid, home } = person;
  const value = { version: 1, person: { name, uid, gid, home }, roles, unit: place.systemd };
  return `${JSON.stringify(value, undefined, 2)}\n`;
};

export const identitiesPath = (data: string): string => `${data}/identities.json`;

export const placeSteps = (identities: string, place: ServicePlace): readonly ServiceStep[] => [
  { type: "data", path: place.data },
  { type: "file", path: identitiesPath(place.data), mode: 0o644, text: identities },
  ...(place.systemd
    ? ([
        { type: "file", path: unitPath, mode: 0o644, text: unitText(place) },
        { type: "command", argv: ["systemctl", "daemon-reload"] },
        { type: "command", argv: ["systemctl", "enable", "--now", unitName] },
      ] as const)
    : []),
];

/** Whatever of it is there. */
export const removalSteps = (
  place: ServicePlace,
  keepData: boolean,
  users: readonly string[],
): readonly ServiceStep[] => [
  ...(place.systemd
    ? ([
        { type: "command", argv: ["systemctl", "disable", "--now", unitName] },
        { type: "remove", path: unitPath },
        { type: "command", argv: ["systemctl", "daemon-reload"] },
      ] as const)
    : []),
  { type: "remove", path: keepData ? identitiesPath(place.data) : place.data },
  ...users.map((name): ServiceStep => ({ type: "command", argv: ["userdel", name] })),
];

export const stepText = (step: ServiceStep): string => {
  switch (step.type) {
    case "command":
      return step.argv.map(quoted).join(" ");
    case "data":
      return `make the data folder ${quoted(step.path)}`;
    case "file":
      return `write ${quoted(step.path)} (mode ${step.mode.toString(8)})`;
    case "remove":
      return `rm -r ${quoted(step.path)}`;
  }
};
