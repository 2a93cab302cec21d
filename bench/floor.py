"""Reads every transcript below a folder, with one typed decode a line, and does nothing with it.

The least that the product's way can take: `cold` runs this as a command of its own.

python bench/floor.py DIR
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import msgspec

#: Processes that share the files.
PROCESSES = 2


def read(paths: list[str]) -> int:
    """Decode every line of these files; return how many there were."""
    from sessionmill.decode.claude_code import Line

    decode, lines = msgspec.json.Decoder(Line).decode, 0
    for path in paths:
        content, start = Path(path).read_bytes(), 0
        view = memoryview(content)
        while (newline := content.find(b"\n", start)) >= 0:
            # Damaged lines, and those of another agent, cost their time too.
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                decode(view[start:newline])
            lines += 1
            start = newline + 1
    return lines


def share(folder: Path) -> list[list[str]]:
    """Deal the files out, the largest first, to whom has the fewest bytes."""
    sized = sorted(
        ((path.stat().st_size, str(path)) for path in folder.rglob("*.jsonl")), reverse=True
    )
    shares: list[tuple[int, list[str]]] = [(0, []) for _ in range(PROCESSES)]
    for size, path in sized:
        least = min(range(PROCESSES), key=lambda number: shares[number][0])
        shares[least] = (shares[least][0] + size, [*shares[least][1], path])
    return [paths for _, paths in shares]


def main() -> None:
    """Read what standard input names; with a folder, start the processes that do."""
    if len(sys.argv) < 2:
        print(read(sys.stdin.read().split("\0")))
        return
    readers = []
    for paths in share(Path(sys.argv[1])):
        reader = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE)
        if reader.stdin is not None:
            reader.stdin.write("\0".join(paths).encode())
            reader.stdin.close()
        readers.append(reader)
    sys.exit(max(reader.wait() for reader in readers))


if __name__ == "__main__":
    main()
