/**
 * Protected paths: what a change there makes other programs do later. A change to one always asks,
 * once each time, and never counts as reversible; looking does not. Recognised by name anywhere in
 * a path, letter case aside, since every such name means the same wherever it lies.
 */
import { foldCase } from "./paths.ts";

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Whole folders, by name. */
const folders = new Map<string, string>([
  ...words(".git .hg .svn .bzr").map((name) => [name, "version control and its hooks"] as const),
  ...words(".husky .githooks .lefthook").map((name) => [name, "hooks"] as const),
  ...words(".github .gitlab .circleci .buildkite .ci").map(
    (name) => [name, "what continuous integration runs"] as const,
  ),
  ...words(
    ".vscode .idea .zed .cursor .windsurf .continue .claude .codex .gemini .aider .fleet .nova " +
      ".vim .nvim .emacs.d .devcontainer .sublime",
  ).map((name) => [name, "editor and agent configuration"] as const),
  ...words(".ssh .gnupg .aws .kube .docker").map(
    (name) => [name, "keys and remote access"] as const,
  ),
  ...words(".cargo .m2 .gradle .gem .bundle").map((name) => [name, "build files"] as const),
  ...words("dropbox onedrive nextcloud owncloud pclouddrive megasync icloud").map(
    (name) => [name, "a synced folder"] as const,
  ),
  ...[
    "google drive",
    "googledrive",
    "my drive",
    "icloud drive",
    "iclouddrive",
    "box sync",
    "mobile documents",
    "cloudstorage",
  ].map((name) => [name, "a synced folder"] as const),
]);

/** Folders of several names; a change to one of the folders above counts as well. */
const deepFolders: readonly (readonly [readonly string[], string])[] = [
  [[".config", "autostart"], "autostart"],
  [[".config", "systemd"], "autostart"],
  [[".local", "share", "systemd"], "autostart"],
  [[".local", "share", "applications"], "autostart"],
  [[".local", "bin"], "programs on the path"],
  [["library", "launchagents"], "autostart"],
  [["library", "launchdaemons"], "autostart"],
  [[".config", "fish"], "shell start-up files"],
  [[".config", "nvim"], "editor and agent configuration"],
  [[".config", "code"], "editor and agent configuration"],
  [[".config", "zed"], "editor and agent configuration"],
  [[".config", "git"], "version control and its hooks"],
  [[".config", "environment.d"], "shell start-up files"],
];

const files = new Map<string, string>([
  ...words(
    ".bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshrc .zshenv .zprofile " +
      ".zlogin .zlogout .kshrc .mkshrc .cshrc .tcshrc .login .logout .inputrc .xprofile .xinitrc " +
      ".xsession .xsessionrc .pam_environment .envrc .direnvrc",
  ).map((name) => [name, "shell start-up files"] as const),
  ...words(".gitconfig .gitmodules .gitattributes .hgrc").map(
    (name) => [name, "version control and its hooks"] as const,
  ),
  ...words(".pre-commit-config.yaml .pre-commit-hooks.yaml lefthook.yml lefthook.yaml").map(
    (name) => [name, "hooks"] as const,
  ),
  ...words(
    ".mcp.json mcp.json claude_desktop_config.json .vimrc .gvimrc .exrc .nvimrc .emacs .nanorc " +
      ".editorrc .tmux.conf .screenrc agent.toml",
  ).map((name) => [name, "editor and agent configuration"] as const),
  ...words(
    ".gitlab-ci.yml .travis.yml azure-pipelines.yml bitbucket-pipelines.yml jenkinsfile " +
      "appveyor.yml .drone.yml cloudbuild.yaml",
  ).map((name) => [name, "what continuous integration runs"] as const),
  ...words(
    "package.json pnpm-workspace.yaml .npmrc .yarnrc .yarnrc.yml .pnpmfile.cjs .pnpmfile.mjs " +
      "deno.json deno.jsonc bunfig.toml pyproject.toml setup.py setup.cfg pipfile conftest.py " +
      "sitecustomize.py usercustomize.py tox.ini noxfile.py fabfile.py cargo.toml build.rs go.mod " +
      "go.work makefile gnumakefile cmakelists.txt cmakepresets.json meson.build build.bazel " +
      "workspace.bazel module.bazel .bazelrc build.gradle build.gradle.kts settings.gradle " +
      "settings.gradle.kts gradle.properties pom.xml build.xml build.sbt gemfile rakefile " +
      "composer.json justfile taskfile.yml taskfile.yaml dockerfile containerfile " +
      "docker-compose.yml docker-compose.yaml compose.yml compose.yaml vagrantfile procfile " +
      "flake.nix default.nix shell.nix mix.exs rebar.config package.swift podfile fastfile " +
      "gulpfile.js gruntfile.js directory.build.props directory.build.targets nuget.config " +
      "configure.ac sconstruct dune-project build.zig build.sh install.sh",
  ).map((name) => [name, "package manifests and build files"] as const),
]);

/** Names that go by their ending or beginning. */
const shapes: readonly (readonly [RegExp, string])[] = [
  [
    /\.(gemspec|podspec|cabal|nimble|csproj|fsproj|vbproj|vcxproj|sln|mk|cmake|bzl)$/,
    "package manifests and build files",
  ],
  [/^requirements.*\.txt$/, "package manifests and build files"],
  [
    /^(vite|vitest|webpack|rollup|babel|jest|eslint|prettier|postcss|next|nuxt|svelte|astro|tailwind|playwright|cypress|oxlint|knip)\.config\.[a-z.]+$/,
    "package manifests and build files",
  ],
  [/^\.(eslintrc|prettierrc|babelrc|mocharc)(\.[a-z]+)?$/, "package manifests and build files"],
  [/\.(code-workspace|desktop|service|timer|plist)$/, "autostart and editor configuration"],
  [/^dockerfile\./, "package manifests and build files"],
  [/^onedrive - /, "a synced folder"],
];

const anyShape = new RegExp(shapes.map(([shape]) => `(?:${shape.source})`).join("|"));

const deepFirst: ReadonlySet<string> = new Set(deepFolders.map(([[first = ""]]) => first));

const deepFolder = (names: readonly string[]): string | undefined => {
  for (const [folder, why] of deepFolders) {
    for (let at = 0; at < names.length; at++) {
      let length = 0;
      while (length < folder.length && names[at + length] === folder[length]) length++;
      if (length === folder.length) return why;
      // The path ends on the way to the folder: what happens to it happens to the folder.
      if (length > 0 && at + length === names.length && folder[0]?.startsWith(".")) return why;
    }
  }
  return undefined;
};

/** Why a path is protected, as `hooks`; undefined where it is not. */
export const protectedReason = (segments: readonly string[]): string | undefined => {
  if (segments.length === 0) return undefined;
  const names = segments.map(foldCase);
  for (const name of names) {
    const why = folders.get(name);
    if (why !== undefined) return why;
  }
  const last = names.at(-1) as string;
  const file = files.get(last);
  if (file !== undefined) return file;
  if (anyShape.test(last)) for (const [shape, why] of shapes) if (shape.test(last)) return why;
  return names.some((name) => deepFirst.has(name)) ? deepFolder(names) : undefined;
};
