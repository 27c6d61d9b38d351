/**
 * Programs by what they can be made to do. The list decides what a card says and what is looked
 * into; it grants nothing and refuses nothing: the sandbox is what holds.
 */
import { lastName } from "./paths.ts";

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Shells whose scripts can be read before they run. */
export const readableShells: ReadonlySet<string> = words("sh bash dash ash rbash");
/** Shells whose language is another; what they are told with -c counts as unreadable. */
export const otherShells: ReadonlySet<string> = words(
  "zsh ksh ksh93 mksh pdksh oksh lksh yash fish csh tcsh rc es elvish nu xonsh pwsh powershell posh",
);

/** Interpreters, and programs with a way to start another program or to write any file. */
const anything: ReadonlySet<string> = words(`
  ansible ansible-playbook apt apt-get aptitude ar at awk gawk mawk nawk batch bazel bpftrace bun bundle
  busybox toybox c89 c99 cc cancel capsh cargo chroot clang clang++ cmake cobc composer cp cpan cpio
  cpulimit crontab csh curl dc dd deno dialog dnf docker dotnet dpkg easy_install ed emacs env erl
  escript ex exiftool expect fd find flock ftp g++ gcc gdb gem ghc ghci gimp ginsh git gmake go gradle
  groovy guile hg install ionice irb java jjs joe journalctl jrunscript jshell julia just kotlin kubectl
  ld.so less lftp lldb ln ltrace lua luajit lualatex luatex latex latexmk mail make man meson mix more
  mount msgfilter msfconsole multitime mv mysql nano nasm nc ncat netcat nice nim ninja nmap node nodejs
  nohup npm npx nsenter nvim ocaml octave openssl openvpn openvt parallel pdb pdflatex pdftex perf perl
  php pic pico pip pip3 pipx pkexec pkg pnpm podman poetry psftp psql ptx puppet pypy pypy3 python
  python2 python3 racket rake raku rg rlwrap rpm rsync ruby run-mailcap run-parts rustc rview rvim sash
  sbcl scala scp screen script sed service setarch setlock setpriv setsid sftp slsh snap socat softlimit
  sort split sqlite3 ssh ssh-agent ssh-keygen sshpass start-stop-daemon stdbuf strace su sudo doas svn
  swift systemctl systemd-run tar task taskset tclsh tcpdump tee telnet terraform tex time timeout tmate
  tmux top troff tsc tsx unshare unzip uv uvx vagrant valgrind vi view vim vimdiff virsh watch wget wish
  xargs xdotool xelatex xetex yarn yum zig zip zypper ldconfig install-info m4 nroff
`);

/** `python3.11` and `node-22` go by `python3` and `node`. */
const plainName = (name: string): string => name.replace(/[-.]?[0-9]+(?:\.[0-9]+)*$/, "");

const isIn = (set: ReadonlySet<string>, name: string): boolean =>
  set.has(name) || set.has(plainName(name)) || set.has(name.replace(/(?:\.[0-9]+)+$/, ""));

export const isReadableShell = (path: string): boolean => isIn(readableShells, lastName(path));
export const isOtherShell = (path: string): boolean => isIn(otherShells, lastName(path));

/** A program that can be made to run or write anything its sandbox lets it. */
export const canRunAnything = (path: string): boolean => {
  const name = lastName(path);
  return isIn(readableShells, name) || isIn(otherShells, name) || isIn(anything, name);
};

/** Variables through which an environment makes a program run something else. */
const poison =
  /^(?:LD_.*|DYLD_.*|BASH_ENV|BASH_FUNC.*|ENV|NODE_.*|PYTHON.*|PERL.*|RUBY.*|GIT_.*|.*PAGER|.*EDITOR|VISUAL|PATH|CDPATH|IFS|PS[0-4]|PROMPT_COMMAND|SHELL|SHELLOPTS|BASHOPTS|GLOBIGNORE|HOME|ZDOTDIR|XDG_.*|LESSOPEN|LESSCLOSE|MAKEFLAGS|GCONV_PATH|LOCPATH|TERMINFO.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|RUSTC.*|CARGO_.*|NPM_CONFIG_.*|.*_PROXY)$/i;

export const isPoisonedVariable = (name: string): boolean => poison.test(name);
