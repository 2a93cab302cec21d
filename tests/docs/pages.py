"""The documentation as data: pages, their blocks and tables; and a place in which a page runs.

docs/README.md tells readers what is done with each kind of block; `PageRun` does it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sessionmill
from sessionmill.demo.team import generate

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
README = PROJECT / "README.md"

#: In what a page shows: any lines, or the rest of one.
ANYTHING = "…"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block."""

    fence: str
    body: str
    #: Of its fence, from 1.
    line: int

    @property
    def first_line(self) -> str:
        """What tells which file it is, if it is one."""
        return self.body.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a page shows, with what it prints and how it ends there."""

    text: str
    shown: str
    status: int


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(PROJECT).as_posix()

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text("utf-8")

    @property
    def prose(self) -> str:
        """All of it but the blocks."""
        return _FENCED.sub("", self.text)

    @property
    def blocks(self) -> list[Block]:
        """Its fenced blocks, in order."""
        return [
            Block(found["fence"], found["body"], self.text.count("\n", 0, found.start()) + 1)
            for found in _FENCED.finditer(self.text)
        ]

    def of(self, fence: str) -> list[Block]:
        """Return the blocks of one kind."""
        return [block for block in self.blocks if block.fence == fence]

    @property
    def files(self) -> dict[str, str]:
        """The files that it shows: blocks whose first line is a comment with a path."""
        named = [
            (re.fullmatch(r"# ([\w./-]+\.(?:py|toml))", block.first_line), block.body)
            for block in self.blocks
        ]
        return {name[1]: body for name, body in named if name}

    @property
    def commands(self) -> list[Command]:
        """Every command of its console blocks."""
        return [command for block in self.of("console") for command in commands(block.body)]

    @property
    def anchors(self) -> set[str]:
        """What links may name behind a #."""
        titles = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {anchor(title) for title in titles}

    @property
    def links(self) -> list[str]:
        """Targets of its links and pictures."""
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)

    def section(self, title: str) -> str:
        """Return what stands below a heading, up to the next of its rank or a higher one."""
        found = re.search(rf"^(#+) {re.escape(title)}$", self.text, re.MULTILINE)
        assert found, f"{self} has no heading {title!r}"
        below = self.text[found.end() :]
        end = re.search(rf"^#{{1,{len(found[1])}}} ", below, re.MULTILINE)
        return below[: end.start()] if end else below


_FENCED = re.compile(r"^```(?P<fence>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Page]:
    """Return every page of the project."""
    return [Page(README), Page(PROJECT / "CHANGELOG.md"), *map(Page, sorted(DOCS.rglob("*.md")))]


def page(name: str) -> Page:
    """Return a page of docs/."""
    return Page(DOCS / f"{name}.md")


def anchor(title: str) -> str:
    """Return a heading's name in links, as Markdown's readers form it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of every table's rows, without heads."""
    rows = []
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        for line in table.strip().splitlines()[2:]:
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            rows.append([cell.strip() for cell in cells])
    return rows


def commands(body: str) -> Iterator[Command]:
    """Yield what a console block runs."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        text, _, shown = part.partition("\n")
        ended = re.search(r"^# exit status (\d+)\n?\Z", shown, re.MULTILINE)
        if ended:
            shown = shown[: ended.start()]
        yield Command(text, shown, int(ended[1]) if ended else 0)


def shows(shown: str, printed: str) -> bool:
    """Tell whether a page shows what was printed, but for what it leaves out."""
    lines = [
        r"(?:.*\n)*?" if line == ANYTHING else re.escape(line).replace(ANYTHING, ".*") + r"\n"
        for line in shown.splitlines()
    ]
    printed = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch("".join(lines), printed) is not None


class PageRun:
    """A folder in which one page's commands run, with the files that it shows."""

    def __init__(self, page: Page, place: Path, *, with_team: bool) -> None:
        self.folder, self._data = place / "page", place / "data"
        self._environment = Environment(place / "environment")
        for folder in (self.folder, self._data):
            folder.mkdir()
        self._write_files(page)
        if with_team:
            generate(self.folder / "team")
            ended = self.run("sessionmill run usage inventory --sessions team")
            assert ended.returncode == 0, ended.stderr

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run one command by the shell."""
        return self._environment.run(command, self.folder, SESSIONMILL_HOME=str(self._data))

    def _write_files(self, page: Page) -> None:
        for name, body in page.files.items():
            path = self._data / name if name == "config.toml" else self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)


class Environment:
    """A fresh virtual environment with what this one has, into which packages can be installed.

    Nothing is downloaded: `pip` looks at no index, and builds with what is there.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True)
        base = {"base": str(folder), "platbase": str(folder)}
        packages = Path(sysconfig.get_path("purelib", "venv", base))
        source = Path(sessionmill.__file__).parents[1]
        others = [path for path in sys.path if path.endswith("site-packages")]
        (packages / "what_there_is.pth").write_text("\n".join([str(source), *others]) + "\n")
        self._bin = folder / "bin"
        # As an installer makes it: by `-m` the folder one stands in would be importable anyway.
        script = self._bin / "start_sessionmill.py"
        script.write_text("from sessionmill.cli import main\n\nmain()\n")
        self._add_program("sessionmill", f'"{script}" "$@"')
        self._add_program("pytest", '-m pytest -p no:cacheprovider "$@"')
        offline = "--no-index --no-build-isolation --disable-pip-version-check"
        self._add_program("pip", f'-m pip "$@" {offline}')

    def run(self, command: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
        """Run one command by the shell."""
        kept = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        return subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=100,
            check=False,
            env={
                **kept,
                "PATH": f"{self._bin}:{os.environ['PATH']}",
                "PIP_CONFIG_FILE": os.devnull,
                **env,
            },
        )

    def _add_program(self, name: str, arguments: str) -> None:
        program = self._bin / name
        program.write_text(f'#!/bin/sh\nexec "{self._bin}/python" {arguments}\n')
        program.chmod(0o755)
