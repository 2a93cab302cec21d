"""The command reprocess --compare: what a processor's loaded version changes, and its swap."""

from __future__ import annotations

from pathlib import Path

from sessionmill.cli.common import db_option, open_app, program_name
from sessionmill.cli.output import print_json, print_line, print_rows, print_table, warn
from sessionmill.shadow import Comparison
from sessionmill.view.changes import By

#: Transcripts that are told of to people; JSON tells of all.
_MOST_LEFT = 20


def compared(
    name: str,
    session: str | None,
    *,
    by: By,
    swapping: bool,
    specs: list[str] | None,
    json: bool,
    db: Path | None,
) -> int:
    """Compare, swap if told, and print what changes; exit status 1 if a transcript failed."""
    with open_app(db, specs, sparing=True) as app:
        [chosen] = app.registry.named([name])
        key = None if session is None else app.store.resolve(session)
        done = app.compare(chosen, key, by=by, swapping=swapping)
        option = db_option(app.config.folder)
    if json:
        print_json(_document(done))
    else:
        _print(done)
        if not swapping:
            loaded = "".join(f" --processor {spec}" for spec in specs or ())
            again = f"{program_name()} reprocess {name} --compare --swap{loaded}{option}"
            print(f"Nothing is changed yet. To let it be so: {again}")
    for failed, error in done.tally.errors[:_MOST_LEFT]:
        warn(f"{name}: {failed}: {error}")
    return 1 if done.tally.errors else 0


def _document(done: Comparison) -> dict[str, object]:
    return {
        "processor": done.processor.name,
        "from_version": done.from_version,
        "to_version": done.processor.version,
        "why": done.processor.why(done.from_version),
        "transcripts": done.transcripts,
        "swapped": done.swapped,
        **done.differences.document(),
        "total": done.total.document(),
        "not_compared": done.not_compared.document(),
    }


def _print(done: Comparison) -> None:
    processor = done.processor
    how = "in the place of" if done.swapped else "beside"
    print_line(
        f"{processor.name}: version {processor.version} {how} version {done.from_version or '-'},"
        f" over {done.transcripts:,} transcripts."
    )
    if why := processor.why(done.from_version):
        print_line(why)
    print()
    if done.differences.values:
        print_rows(done.differences, as_json=False)
    else:
        print("Nothing differs.")
    print("\nIn all")
    print_rows(done.total, as_json=False)
    print()
    left = done.not_compared.values
    if left:
        print(f"Not compared, so that their rows stay as they are: {len(left):,}")
        print_table(done.not_compared.columns, left[:_MOST_LEFT])
        print()
