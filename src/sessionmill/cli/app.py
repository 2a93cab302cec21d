"""The commands: what each does, with examples; its function is imported when it is called."""

from __future__ import annotations

from cyclopts import App

from sessionmill import __version__


def _command(app: App, name: str, function: str, does: str, *examples: str) -> None:
    app.command(
        f"sessionmill.cli.{function}",
        name=name,
        help=does,
        help_epilogue="\n".join(["Examples:", *(f"  sessionmill {line}" for line in examples)]),
    )


app = App(
    name="sessionmill",
    help="A self-hosted pipeline over the transcripts that coding agents write.",
    help_epilogue="Example:\n  sessionmill run && sessionmill report usage --by day",
    help_format="plaintext",
    version=__version__,
    suppress_keyboard_interrupt=False,
)
_command(
    app,
    "start",
    "run:start",
    "Read this machine's transcripts and print what they say; a demonstration without any.",
    "start",
)
_command(
    app,
    "run",
    "run:run",
    "Run processors over what is new since they last ran. Without --sessions, --claude or --codex:"
    " $SESSION_DATA_DIR, or else the agents' homes on this machine. Exit status 1 if any session"
    " failed.",
    "run",
    "run usage --sessions /srv/transcripts",
    "run --processor my_package.words:Words --claude ~/.claude",
)
_command(
    app,
    "serve",
    "serve:serve",
    "Run processors on their cadence, and answer over HTTP, until it is told to end. Without"
    " --sessions, --claude or --codex, and none in config.toml: $SESSION_DATA_DIR, or else the"
    " agents' homes on this machine.",
    "serve",
    "serve --sessions /srv/transcripts --port 9000",
    "serve --host 0.0.0.0 --no-browser",
)
_command(
    app,
    "retry",
    "run:retry",
    "Make failing and dead sessions due at once; the next run tries them again. A dead letter is a"
    " session that a processor has failed on as often as it may: mend the cause first. Works for a"
    " processor that is not loaded now, too.",
    "retry",
    "retry usage --session 0f3c",
)
_command(
    app,
    "processors",
    "run:processors",
    "List the processors: how each stands, or why it can't run.",
    "processors",
)
_command(
    app,
    "reprocess",
    "run:reprocess",
    "Let a processor read everything again that can still be read, from its start, now; dead"
    " letters too. What is gone keeps the facts that were read of it. With --compare it is read"
    " beside the facts, and what that changes is shown; with --swap it is then so, all at once.",
    "reprocess usage",
    "reprocess usage --session 0f3c",
    "reprocess usage --compare --by model",
    "reprocess usage --compare --swap",
)
_command(
    app,
    "status",
    "inspect:status",
    "Tell what waits for each processor, what it failed on and why, and how far it is behind"
    " (lag_seconds: how long ago the longest waiting transcript was written to).",
    "status",
    "status usage --json",
)
_command(
    app,
    "sessions",
    "inspect:sessions",
    "List sessions, the latest first, with what they came to.",
    "sessions --user alice --since 2026-03-01",
)
_command(
    app,
    "show",
    "inspect:show",
    "Show what happened in a session, page by page, read from its transcript: turns, answers,"
    " calls, results and errors.",
    "show 0f3c",
    "show 0f3c --after 81920 --limit 20",
)
_command(
    app,
    "explain",
    "explain:explain",
    "Trace figures to lines: what each line of a session adds to the report, by which rule, what it"
    " states that is not counted, and whether the sum is what the tables say. Exit status 1 if it"
    " is not.",
    "explain --session 0f3c",
    "explain --response msg_01Ab --json",
)
_command(
    app,
    "doctor",
    "inspect:doctor",
    "Examine: what is found where and what is passed over, client versions, what was not"
    " understood, damaged lines, and what to do about it. It looks at the roots as `run` would, and"
    " at the facts of what was read so far.",
    "doctor",
    "doctor --sessions /srv/transcripts --json",
)
_command(
    app,
    "health",
    "health:health",
    "Judge how all goes, check by check: whether processors run and succeed, how far they are"
    " behind, what fails, the disk, the facts, the roots; and what to do. The roots are those of"
    " `run`. Exit status 1 if any check finds an error.",
    "health",
    "health --sessions /srv/transcripts --json",
)
_command(
    app,
    "audit-usage",
    "audit:audit_usage",
    "Recount usage from the raw files, slowly and by code that shares nothing with the first, and"
    " compare it with the tables, class by class. Transcripts that are gone, or that wait for a"
    " run, are left out on both sides. Exit status 1 on any difference.",
    "audit-usage",
    "audit-usage --json",
)
_command(
    app,
    "try",
    "trial:try_out",
    "Run a processor over one transcript and print its rows; nothing is written. It runs in this"
    " process, over empty facts in memory: what it raises is shown whole, and a debugger can stop"
    " in it.",
    "try words:Words 0f3c",
    "try my_package.words:Words ~/.claude/projects/-work-shop/0f3c.jsonl",
)
_command(
    app,
    "backup",
    "backup:backup",
    "Back up the data directory into a new folder, also while a server holds it: the facts as of"
    " one moment, users and settings. What it holds is listed in its manifest.json, with hashes.",
    "backup /srv/backups/2026-03-15",
    "backup /srv/backups/2026-03-15 --json",
)
_command(
    app,
    "restore",
    "backup:restore",
    "Put a backup back into a data directory that holds no facts. Every file is verified before"
    " anything is put in place. A backup of an older version is brought up to date.",
    "restore /srv/backups/2026-03-15 --db ~/sessionmill",
)
_command(
    app,
    "config",
    "config:config",
    "Show every setting as it counts now, and where it comes from: a flag, the environment,"
    " config.toml, or the default. Values that may be secrets are masked.",
    "config",
    "config --json",
)
_command(
    app,
    "prices",
    "reports:prices",
    "Show by which prices responses are priced, where these come from, and which responses have"
    " none and why. With a model's name: every price that matches it, the first that counts first,"
    " and which apply now.",
    "prices",
    "prices claude-opus-4-6",
)
_command(
    app,
    "reconcile",
    "reconcile:reconcile",
    "Compare with what the vendor counted, by person and UTC day, and tell the likely cause of each"
    " difference. FILEs are pages of the Claude Code Analytics API, or Claude Code's metrics in"
    " OpenTelemetry's JSON; they are recognised by what they hold, and imported first. Without any:"
    " what was imported before.",
    "reconcile 2026-03-02.json",
    "reconcile metrics.jsonl --as a.liddell@example.com=alice",
    "reconcile --user alice --since 2026-03-01",
)
_command(
    app,
    "statusline",
    "statusline:statusline",
    "Print one line for Claude Code's status line: the session as the client tells it on stdin, and"
    " what you used today and in the running block of five hours, as of the last run. Money is an"
    " estimate at list price.",
    "statusline",
    "statusline --user alice",
)
_command(
    app,
    "sql",
    "reports:sql",
    "Ask the facts anything, in SQL; nothing can be changed.",
    'sql "SELECT name, count(*) FROM tool_calls WHERE counted GROUP BY name"',
)
_command(
    app,
    "demo",
    "demo:demo",
    "Generate the transcripts of a team that never was, to try things on.",
    "demo /tmp/team",
)
_command(
    app,
    "completion",
    "completion:completion",
    "Print what lets a shell complete commands and options. For bash, in ~/.bashrc:"
    ' eval "$(sessionmill completion bash)"',
    "completion zsh > ~/.zfunc/_sessionmill",
)

report = App(
    name="report",
    help="Answer questions from the facts.",
    help_epilogue="Example:\n  sessionmill report usage",
    help_format="plaintext",
)
_command(
    report,
    "usage",
    "reports:usage",
    "Report invocations and tokens, each counted once.",
    "report usage --by day --since 2026-03-01",
    "report usage --by skill --user alice --json",
)
_command(
    report,
    "work",
    "reports:work",
    "Report what was done in sessions and how long it took: time with the agent, in tools and"
    " waiting for the person, lines, files, commits, and what went wrong. A session counts whole,"
    " on the day it began.",
    "report work --since 2026-03-01",
    "report work --by session --user alice --json",
)
app.command(report)

users = App(
    name="users",
    help="Who may sign in to the server, and what they may.",
    help_epilogue="Example:\n  sessionmill users list",
    help_format="plaintext",
)
_command(
    users,
    "add",
    "people:add_user",
    "Add a user. The name is that of the user's folder of transcripts; the role is admin, member"
    " (what is said in their own sessions, and all figures), viewer (figures alone) or uploader"
    " (who may only upload). Without --password-stdin there is no password: tokens work without.",
    "users add alice --role admin --email alice@example.com",
    "users add alice --password-stdin < password.txt",
)
_command(
    users,
    "list",
    "people:list_users",
    "List users; those that are disabled too.",
    "users list --json",
)
_command(
    users,
    "edit",
    "people:edit_user",
    "Change a user: what is given, and nothing else. A lower role holds for all tokens of that user"
    " at once.",
    "users edit alice --role member",
    "users edit alice --enable",
)
_command(
    users,
    "disable",
    "people:disable_user",
    "Let a user in no more, by no password and by no token, until users edit NAME --enable.",
    "users disable alice",
)
app.command(users)

tokens = App(
    name="tokens",
    help="By what programs ask the server.",
    help_epilogue="Example:\n  sessionmill tokens list",
    help_format="plaintext",
)
_command(
    tokens,
    "add",
    "people:add_token",
    "Make a token of a user, with that user's role or a lower one. It is shown once: stored is only"
    " its hash.",
    "tokens add alice --name laptop --expires 90",
    "tokens add ci --name upload --role uploader --json",
)
_command(
    tokens,
    "list",
    "people:list_tokens",
    "List tokens, without their secrets, and when each was used last; those that are good no more"
    " too.",
    "tokens list",
)
_command(
    tokens,
    "revoke",
    "people:revoke_token",
    "Let a token be good no more: given by its number, by its name, or by its secret where that got"
    " into wrong hands.",
    "tokens revoke 3",
    "tokens revoke laptop --user alice",
)
app.command(tokens)
_command(
    app,
    "audit",
    "people:audit",
    "List who did what, with what result, the newest first: runs, sign-ins, changes of users and"
    " tokens, looks at what is said in sessions, and what was refused.",
    "audit --since 2026-03-01",
    "audit --action run_session_processor --json",
)
