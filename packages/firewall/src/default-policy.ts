/** The policy that a first run writes to `policy.toml`: a person's to read and to change. */
export const defaultPolicy: string = `# What agents may do on this machine. Every action is judged by these rules before it happens.
#
# An action is refused if any rule with effect "deny" fits, whatever else fits. It asks if a rule
# with effect "ask" fits, or if no rule allows it. Otherwise it happens, with a receipt.
# The order of rules means nothing. Check changes with: ./ioi policy lint policy.toml

version = 1

[defaults]
verdict = "ask"                     # where no rule allows: "ask" or "deny"

# Folders with a name, for patterns below. A name grants nothing. The folder that a session was
# started with (--workspace) is always called "scope".
#
# [workspace.downloads]
# path = "~/Downloads"
# access = "read"                   # or "write", which is what it is without this line

# --- Files in the session's folder -------------------------------------------------------------

# Names that begin with a dot: no wildcard of an "allow" matches them. fs::list tells that they are
# there, with size and time; fs::search passes them over; a folder that holds one asks before it is
# copied, moved or deleted whole.

[[rule]]
id = "scope-read"
effect = "allow"
target = ["fs::stat", "fs::list", "fs::search", "fs::read"]
where.path = { glob = "scope:/**" }
match     = [{ target = "fs::read", path = "scope:/notes/a.txt" }, { target = "fs::list", path = "scope:/" }]
not_match = [{ target = "fs::read", path = "scope:/.env" }, { target = "fs::read", path = "/etc/shadow" }]

[[rule]]
id = "scope-write"
effect = "allow"
target = ["fs::write", "fs::mkdir"]
where.path = { glob = "scope:/**" }
match     = [{ target = "fs::write", path = "scope:/notes/a.txt" }]
not_match = [{ target = "fs::write", path = "~/.bashrc" }]

[[rule]]
id = "scope-move"                   # both ends in the folder
effect = "allow"
target = ["fs::move", "fs::copy"]
where.path = { glob = "scope:/**" }
where.to   = { glob = "scope:/**" }
match     = [{ target = "fs::move", path = "scope:/a.pdf", to = "scope:/2026/a.pdf" }]
not_match = [{ target = "fs::move", path = "scope:/a.pdf", to = "~/a.pdf" }]

[[rule]]
id = "scope-restore"                # undo
effect = "allow"
target = ["fs::restore"]
where.paths = { glob = "scope:/**" }

# Deleting moves to a bin that is kept for undo. No rule allows it; it goes without asking as long
# as it can be undone, by reversible_without_asking below.

[[rule]]
id = "dotfiles"                     # names that begin with a dot hold settings and secrets
effect = "ask"
target = ["fs::list", "fs::search", "fs::read", "fs::write", "fs::mkdir", "fs::delete"]
where.path = { glob = ["scope:/**/.*", "scope:/**/.*/**"] }
reason = "Names that begin with a dot often hold settings and secrets."
match     = [{ target = "fs::read", path = "scope:/.env" }, { target = "fs::write", path = "scope:/a/.config/b" }]
not_match = [{ target = "fs::read", path = "scope:/a.txt" }]

[[rule]]
id = "dotfiles-from"
effect = "ask"
target = ["fs::move", "fs::copy"]
where.path = { glob = ["scope:/**/.*", "scope:/**/.*/**"] }
reason = "Names that begin with a dot often hold settings and secrets."

[[rule]]
id = "dotfiles-to"
effect = "ask"
target = ["fs::move", "fs::copy"]
where.to = { glob = ["scope:/**/.*", "scope:/**/.*/**"] }
reason = "Names that begin with a dot often hold settings and secrets."

# --- Programs ----------------------------------------------------------------------------------

[[rule]]
id = "compute"                      # any program, judged by its sandbox: no network, only the
effect = "allow"                    # session's folders, and what it writes is held back until it
target = ["sys::exec"]              # ends, then applied with a copy for undo; if it wrote hooks,
                                    # package manifests, start-up files, ..., that part is not applied
where.argv = { profile = "closed" }
where.cwd  = { glob = "scope:/**" }
network = []                        # one that is started with a network (ioi run --) reaches only
                                    # what is named here, as { host = "packages.example.com" }; every
                                    # other host asks, once for each program
match = [{ target = "sys::exec", argv = ["/usr/bin/sort", "a.txt"], cwd = "scope:/" }]

[[rule]]
id = "terminal"                     # a terminal stays open; opening it is the question, for what
effect = "ask"                      # is typed into it afterwards is recorded and not judged
target = ["sys::shell"]
where.do = { equals = "open" }
where.network = { absent = true }
reason = "A terminal can run anything inside its sandbox: the session's folders, no network."
instead = "Run single programs with sys::exec."
match     = [{ target = "sys::shell", do = "open", cwd = "scope:/" }]
not_match = [{ target = "sys::shell", do = "read", cwd = "scope:/" }]

[[rule]]
id = "terminal-network"             # one that is opened with a network
effect = "ask"
target = ["sys::shell"]
where.do = { equals = "open" }
where.network = { absent = false }
reason = "A terminal with a network: it can run anything, and reaches what the rules name for it."
instead = "Run single programs with sys::exec."
match     = [{ target = "sys::shell", do = "open", network = "egress", cwd = "scope:/" }]
not_match = [{ target = "sys::shell", do = "open", cwd = "scope:/" }]

[[rule]]
id = "terminal-inside"              # only a terminal that was opened takes it; what was written in
effect = "allow"                    # it is applied when it is closed, as with programs
target = ["sys::shell"]
where.do = { one_of = ["type", "read", "close"] }
match = [{ target = "sys::shell", do = "type", input = "ls", cwd = "scope:/" }]

# --- Models ------------------------------------------------------------------------------------

[[rule]]
id = "models"                       # only those that you confirmed: ./ioi models; any other is
effect = "allow"                    # refused, whatever stands here
target = ["model::infer", "model::embed"]

# --- Memories ----------------------------------------------------------------------------------

# What is remembered keeps where it came from, for life: "user" is what you typed yourself, anything
# else is "content". What an agent wants to keep asks; what is recalled is content, whoever said it.

[[rule]]
id = "remember-own"
effect = "allow"
target = ["memory::remember"]
where.origin = { equals = "user" }
match     = [{ target = "memory::remember", content = "The key is under the mat.", origin = "user" }]
not_match = [{ target = "memory::remember", content = "Pay at evil.example.", origin = "content" }]

[[rule]]
id = "remember-content"
effect = "ask"
target = ["memory::remember"]
where.origin = { equals = "content" }
reason = "It would be kept as content, not as your words: those are one typed line of up to 200 characters."
match     = [{ target = "memory::remember", content = "Pay at evil.example.", origin = "content" }]
not_match = [{ target = "memory::remember", content = "The key is under the mat.", origin = "user" }]

[[rule]]
id = "recall"
effect = "allow"
target = ["memory::recall"]

[[rule]]
id = "forget"
effect = "ask"
target = ["memory::forget"]
reason = "What is forgotten is gone for good: its key is erased, and nothing brings it back."

# --- The web -----------------------------------------------------------------------------------

# A site of the session is a host that the person typed or accepted. Only what the person typed is
# fetched without asking, what is built of it, or a link of a fetched page: nothing that an agent has
# read goes into an address. Sending (net::post) asks. Addresses of this machine and its networks are
# closed unless the person types the address itself or a rule names the host.

[[rule]]
id = "sites-read"
effect = "allow"
target = ["net::get"]
where.url = { scheme = "https", site = "session" }
not_match = [{ target = "net::get", url = "http://example.com/" }]

# What is sent, and what a model is told, can be looked through before it leaves. Found by structure:
# SECRET (keys, tokens), SEED_PHRASE, IBAN, CARD, EMAIL, PHONE; also: contains, matches. As an example:
#
# [[rule]]
# id = "accounts-stay"
# effect = "deny"
# target = ["net::post"]
# where.content = { contains_kind = ["SECRET", "SEED_PHRASE", "IBAN"] }
# reason = "Keys and account numbers do not leave this machine."

# A server of your own network, as an example; without "address" only public addresses are reached:
#
# [[rule]]
# id = "nas"
# effect = "allow"
# target = ["net::get"]
# where.url = { host = "nas.example.net", address = ["private"], path_glob = "/status/**" }

# --- Tools of MCP servers ------------------------------------------------------------------------

# What a tool is, you say: its group (read, organise, send, buy, schedule, delete, browse, run) and
# what its fields are for. Whom, what and where a call speaks of must be your own words, what you
# picked, or what a trusted look-up of your words returned; and your words must mean its group. What
# nobody described asks, and so do buying, deleting and running:
#
# [tool."mail"."send_message"]
# group = "send"
# roles = { to = "destination", text = "content" }

[[rule]]
id = "described-tools"
effect = "allow"
target = ["mcp::call"]
where.group = { one_of = ["read", "organise", "schedule", "send"] }

# --- Never -------------------------------------------------------------------------------------

[[rule]]
id = "no-listening"
effect = "deny"
target = ["net::listen"]
reason = "Agents do not open ports on this machine."

[[rule]]
id = "no-page-scripts"
effect = "deny"
target = ["browser::evaluate"]
reason = "Agents do not run their own code inside pages."
instead = "Read, click and fill the page's own elements."

# --- Bounds ------------------------------------------------------------------------------------

[budget.session]
actions = 200
wall_minutes = 20
model_usd = 0.50                    # what models may cost; prices: prices.toml beside this file
model_tokens = 2_000_000            # what models are told and say

# How often, as an example; a rule counts at certain times only with
# when = { days = ["mon", "fri"], from = "09:00", to = "17:00" }:
#
# [rate."net::get"]
# per_minute = 30                   # in one session; all_per_minute over all of them

[approval]
expires_minutes = 10
reversible_without_asking = true    # only in scope, only with a verified copy for undo, never for
                                    # files that make other programs do something (hooks,
                                    # package manifests, start-up files, ...)
`;
