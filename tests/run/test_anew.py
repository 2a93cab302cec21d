"""Reading anew, as it stands between being asked for and being done."""

from __future__ import annotations

from pathlib import Path

from run_place import Place, key

from sessionmill.store.known import begin_anew
from sessionmill.testing import FakeClock


def test_what_is_to_be_read_anew_is_pending_and_neither_failing_nor_dead(
    tmp_path: Path, clock: FakeClock
) -> None:
    with Place(tmp_path, clock) as place:
        for name in ("failing", "dead", "done", "left"):
            place.write(name)
        place.run("usage")
        place.ask(
            "UPDATE session_processor_state SET attempts = 2 WHERE session_file = ?", key("failing")
        )
        place.ask(
            "UPDATE session_processor_state SET attempts = 5, dead_at = now()"
            " WHERE session_file = ?",
            key("dead"),
        )
        with place.facts.transaction() as cursor:
            begin_anew(cursor, "usage", [key(name) for name in ("failing", "dead", "done")])

        [(*_, pending, failing, dead, _)] = place.store.standing(place.processors("usage"))

        assert (pending, failing, dead) == (3, 0, 0)
