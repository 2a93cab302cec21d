"""What is mutated, and by which tests a mutant is to be killed.

What counts (the formats, the rows of usage, how rows are completed and sent) and what decides what
is to be done (states, runs): where a mistake gives wrong figures and no error. Elsewhere a mistake
is loud, and covered branches tell enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_RECORDS = "tests/accounting/test_records.py"
_ROWS = "tests/accounting/test_rows.py"
_RESPONSES = "tests/accounting/test_responses.py"
_CALLS = "tests/accounting/test_tool_calls.py"
_TYPED = "tests/accounting/test_prompts_and_commands.py"
_EVENTS = "tests/accounting/test_events.py"
_PARTIAL = "tests/accounting/test_partial_output.py"
_CODEX = "tests/accounting/test_codex.py"
_WORK = "tests/run/test_work.py"
_COLUMNS = "tests/run/test_columns.py"
_TALLY = "tests/run/test_tally.py"
_USAGE = "src/sessionmill/process/usage"

#: Each module's tests: first those that are quick, and likely to notice.
MODULES: Mapping[str, Sequence[str]] = {
    f"{_USAGE}/events.py": (_ROWS, _EVENTS),
    f"{_USAGE}/malformed_lines.py": (_ROWS,),
    f"{_USAGE}/partial_output.py": (_ROWS, _PARTIAL),
    f"{_USAGE}/places.py": (_ROWS,),
    f"{_USAGE}/prompts.py": (_ROWS, _TYPED),
    f"{_USAGE}/responses.py": (_ROWS, _RESPONSES),
    f"{_USAGE}/slash_commands.py": (_ROWS, _TYPED),
    f"{_USAGE}/tool_calls.py": (_ROWS, _CALLS),
    f"{_USAGE}/usage.py": (_ROWS, _RESPONSES, _CALLS, _TYPED),
    "src/sessionmill/decode/codex.py": (_RECORDS, _CODEX),
    "src/sessionmill/decode/claude_code.py": (_RECORDS, _RESPONSES, _CALLS, _TYPED),
    "src/sessionmill/run/columns.py": (_COLUMNS, _RESPONSES),
    "src/sessionmill/run/tally.py": (_TALLY,),
    "src/sessionmill/run/work.py": (_WORK,),
}
