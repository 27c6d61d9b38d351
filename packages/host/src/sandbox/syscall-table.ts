/**
 * Numbers of the system calls that a filter names: [x86-64, arm64], -1 where the architecture has
 * none. Source: asm/unistd_64.h and asm-generic/unistd.h of Linux.
 */

/** Refused to every sandbox: no agent and no process of ours needs them. */
export const refusedAlways = {
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  kcmp: [312, 272],
  pidfd_getfd: [438, 438],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  create_module: [174, -1],
  query_module: [178, -1],
  get_kernel_syms: [177, -1],
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  acct: [163, 89],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  nfsservctl: [180, 42],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  syslog: [103, 116],
  iopl: [172, -1],
  ioperm: [173, -1],
  modify_ldt: [154, -1],
  vhangup: [153, 58],
  uselib: [134, -1],
  ustat: [136, -1],
  sysfs: [139, -1],
  _sysctl: [156, -1],
  lookup_dcookie: [212, 18],
  fanotify_init: [300, 262],
  fanotify_mark: [301, 263],
  open_by_handle_at: [304, 265],
  name_to_handle_at: [303, 264],
  chroot: [161, 51],
  setns: [308, 268],
  move_pages: [279, 239],
  migrate_pages: [256, 238],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** Refused unless the program is trusted to build sandboxes of its own. */
export const refusedWithoutNamespaces = {
  unshare: [272, 97],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  statmount: [457, 457],
  listmount: [458, 458],
  open_tree_attr: [467, 467],
  sethostname: [170, 161],
  setdomainname: [171, 162],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** Refused without a network: a socket comes only by inheritance. */
export const refusedWithoutNetwork = {
  socket: [41, 198],
  connect: [42, 203],
  bind: [49, 200],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** Looked at by argument. */
export const examined = {
  clone: [56, 220],
  clone3: [435, 435],
  socket: [41, 198],
  socketpair: [53, 199],
  ioctl: [16, 29],
  prctl: [157, 167],
  mknod: [133, -1],
  mknodat: [259, 33],
  personality: [135, 92],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;
