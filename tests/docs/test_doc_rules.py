"""usage-rules.md tells of every rule by which a line is counted or not."""

from __future__ import annotations

from pages import page, table_rows

from sessionmill.process.usage import Usage
from sessionmill.view.contributions import NOT_ELIGIBLE, RULES


def test_every_rule_of_a_traced_line_is_told_and_no_other_is() -> None:
    rows = table_rows(page("usage-rules").section("Tracing a figure"))
    assert [row[0].strip("`") for row in rows] == list(RULES)


def test_every_table_that_leaves_rows_out_has_a_rule_for_them() -> None:
    leaving = {table.name for table in Usage.tables if table.eligible != "true"}
    assert leaving == set(NOT_ELIGIBLE)
    assert set(NOT_ELIGIBLE.values()) <= set(RULES)
