"""Writes very many sessions fast: a few are told, and each copy of one gets ids of its own.

Every id of a told session holds one tag, every time one day, every path one project. A copy is
those three replaced, so it costs three passes over its bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

from sessionmill.demo import words
from sessionmill.demo.claude_code import ClaudeTranscript, ToolUse
from sessionmill.demo.story import CLIENTS, Client, Story
from sessionmill.demo.transcript import Ids

_TAG = "5e55104d"
_DAY = "2001-02-03"
_PROJECT = "bulk-project"

#: Sessions of one user on one day; more of them take more days.
_SESSIONS_A_DAY = 6
#: One more user for each of these, as long as there are names.
_BYTES_A_USER = 50_000_000
#: A tool's result that makes one line of each session a hundred times longer than the others.
_LONG_LINE = "'/@shop/cart@1.204.0': { resolution: \"sha512-Zm9v\" }\n" * 800

#: Steps of each told session: the lengths that copies have.
_LENGTHS = (40, 90, 160, 320)


class Writer:
    """Writes files below a folder, and counts them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = 0
        self.bytes = 0
        self.users: set[str] = set()
        self._folders: set[Path] = set()

    def write(self, path: str, content: bytes) -> None:
        """Write one transcript; its path begins with the user's name."""
        file = self.folder / path
        if file.parent not in self._folders:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._folders.add(file.parent)
        file.write_bytes(content)
        self.files += 1
        self.bytes += len(content)
        self.users.add(path.partition("/")[0])


class _TaggedIds(Ids):
    """Ids that all hold the tag, where a copy puts its own."""

    def uuid(self) -> str:
        return _TAG + super().uuid()[len(_TAG) :]

    def hex(self, length: int) -> str:
        return _TAG + super().hex(length)

    def base58(self, prefix: str, length: int) -> str:
        return prefix + _TAG + super().base58("", length - len(_TAG))


@dataclass(frozen=True)
class _Told:
    """The files of one told session, to be copied."""

    files: dict[str, bytes]

    def copy(self, *, tag: str, day: date, project: str) -> Iterator[tuple[str, bytes]]:
        for path, content in self.files.items():
            changed = content.replace(_TAG.encode(), tag.encode())
            changed = changed.replace(_DAY.encode(), day.isoformat().encode())
            yield path.replace(_TAG, tag), changed.replace(_PROJECT.encode(), project.encode())


def fill(writer: Writer, size_bytes: int, *, users: int, days: int, seed: int, end: date) -> None:
    """Write copies until that many bytes are there in all, going back in time as they grow."""
    random = Random(seed)  # noqa: S311 -- made-up figures, no secrets
    told = [_tell(client, steps, seed, random) for client in CLIENTS[1:] for steps in _LENGTHS]
    names = words.NAMES[: max(users, min(len(words.NAMES), users + size_bytes // _BYTES_A_USER))]
    for number in count():
        name = names[number % len(names)]
        sitting = number // len(names)
        back = sitting % days if sitting < days * _SESSIONS_A_DAY else sitting // _SESSIONS_A_DAY
        project = random.choice(words.PROJECTS)
        copied = random.choice(told).copy(
            tag=_tag(number, seed), day=end - timedelta(days=back), project=project
        )
        for path, content in copied:
            writer.write(f"{name}/-work-{project}/{path}", content)
        if writer.bytes >= size_bytes:
            return


def _tag(number: int, seed: int) -> str:
    """Give each number a tag of its own: an odd factor never maps two below 2^32 to one."""
    return f"{(number * 2_654_435_761 + seed * 40_503) % 2**32:08x}"


def _tell(client: Client, steps: int, seed: int, random: Random) -> _Told:
    """Tell a session in which every id holds the tag."""
    session_id = f"{_TAG}-{steps:04x}-4{client.version.replace('.', ''):0>3.3}-8000-{seed:012x}"
    start = datetime.fromisoformat(f"{_DAY}T06:00:00").replace(tzinfo=UTC)
    main = ClaudeTranscript(
        session_id, cwd=f"/work/{_PROJECT}", version=client.version, start=start
    )
    main.ids = _TaggedIds(f"bulk {session_id}")
    story = Story(main, client, random, result_size=3_200)
    for part in range(steps // 20):
        story.turn(steps=12)
        story.use_skill(random.choice(words.SKILLS))
        story.call_mcp()
        story.command(random.choice(words.CUSTOM_COMMANDS), custom=True)
        if part % 3 == 0:
            story.delegate()
        story.fail()
    story.speaker.use(ToolUse("Read", {"file_path": "pnpm-lock.yaml"}), _LONG_LINE * (steps // 40))
    return _Told(story.files())
