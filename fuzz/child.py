"""The process in which libFuzzer runs one target; it ends the process as it likes.

python -m fuzz.child TARGET MEMORY_FILE LIBFUZZER_ARGUMENT...
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from time import monotonic

import atheris
import psutil

#: Inputs between two notes of the memory in use.
_NOTE_EVERY = 500


def main() -> None:
    """Fuzz what the command line names."""
    name, memory, *arguments = sys.argv[1:]
    # What is imported here is instrumented; nothing of it may be imported before.
    with atheris.instrument_imports(
        include=["sessionmill.decode", "sessionmill.collect.contents", "sessionmill.process.usage"]
    ):
        check = importlib.import_module(f"fuzz.{name}").check
    process, begun, inputs = psutil.Process(), monotonic(), 0
    with Path(memory).open("w", buffering=1) as notes:

        def note_memory_and_check(data: bytes) -> None:
            nonlocal inputs
            if inputs % _NOTE_EVERY == 0:
                notes.write(f"{monotonic() - begun:.1f} {inputs} {process.memory_info().rss}\n")
            inputs += 1
            check(data)

        atheris.Setup([sys.argv[0], *arguments], note_memory_and_check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
