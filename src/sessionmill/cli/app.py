"""The commands, each imported when it is called."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="sessionmill",
    help=(
        "A self-hosted pipeline over the transcripts that coding agents write.\n\n"
        "Example: sessionmill run && sessionmill report usage --by day"
    ),
    version="0.1.0",
    help_format="plaintext",
    version_flags=["--version"],
)

app.command("sessionmill.cli.run:start", name="start")
app.command("sessionmill.cli.run:run", name="run")
app.command("sessionmill.cli.run:retry", name="retry")
app.command("sessionmill.cli.run:processors", name="processors")

report = App(name="report", help="Answer questions from the facts.", help_format="plaintext")
report.command("sessionmill.cli.reports:usage", name="usage")
app.command(report)

app.command("sessionmill.cli.reports:sql", name="sql")
app.command("sessionmill.cli.demo:demo", name="demo")
