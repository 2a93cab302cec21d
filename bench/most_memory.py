"""Runs a command and prints, last, the largest resident set of its processes, in MB."""

from __future__ import annotations

import resource
import subprocess
import sys

#: Linux counts kilobytes, macOS bytes.
_UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> int:
    """Run what the command line says; return its exit status."""
    status = subprocess.run(sys.argv[1:], check=False).returncode
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT
    print(most // 2**20)
    return status


if __name__ == "__main__":
    sys.exit(main())
