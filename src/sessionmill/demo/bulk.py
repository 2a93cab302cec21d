"""Writes very many sessions fast: a few are told, and each copy of one gets ids of its own.

Every id of a told session holds one tag, every time one day, every path one project. A copy is
those three replaced, so it costs three passes over its bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import count
from pathlib import Path

from sessionmill.demo import codex_story, words
from sessionmill.demo.claude_code import ClaudeTranscript, ToolUse
from sessionmill.demo.clients import CLIENTS, Client
from sessionmill.demo.codex import CodexRollout
from sessionmill.demo.dice import Dice
from sessionmill.demo.scenes import agents, client, people, tools
from sessionmill.demo.story import Story
from sessionmill.demo.transcript import Ids

_TAG = "5e55104d"
_DAY = "2001-02-03"
_PROJECT = "bulk-project"
_PLACE = f"-work-{_PROJECT}"

#: Sessions of one user on one day; more of them take more days.
_SESSIONS_A_DAY = 6
#: One more user for each of these, as long as there are names.
_BYTES_A_USER = 50_000_000
#: A tool's result that makes one line of each session a hundred times longer than the others.
_LONG_LINE = "'/@shop/cart@1.204.0': { resolution: \"sha512-Zm9v\" }\n" * 800

#: Steps of each told session: the lengths that copies have.
_LENGTHS = (40, 90, 160, 320)
#: Turns of each told session of Codex.
_TURNS = (2, 5, 10, 20, 40, 60)


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
        new = {_TAG: tag, _DAY: day.isoformat(), _PROJECT: project}
        for path, content in self.files.items():
            path = path.replace(_DAY.replace("-", "/"), f"{day:%Y/%m/%d}")  # noqa: PLW2901
            for was, becomes in new.items():
                path = path.replace(was, becomes)  # noqa: PLW2901
                content = content.replace(was.encode(), becomes.encode())  # noqa: PLW2901
            yield path, content


def fill(writer: Writer, size_bytes: int, *, users: int, days: int, seed: int, end: date) -> None:
    """Write copies until that many bytes are there in all, going back in time as they grow."""
    dice = Dice(seed)
    originals = _originals(seed)
    names = words.NAMES[: max(users, min(len(words.NAMES), users + size_bytes // _BYTES_A_USER))]
    for number in count():
        name = names[number % len(names)]
        sitting = number // len(names)
        back = sitting % days if sitting < days * _SESSIONS_A_DAY else sitting // _SESSIONS_A_DAY
        project = dice.choice(words.PROJECTS)
        day = _working_day(end - timedelta(days=back), number)
        copied = dice.choice(originals)().copy(tag=_tag(number, seed), day=day, project=project)
        for path, content in copied:
            writer.write(f"{name}/{path}", content)
        if writer.bytes >= size_bytes:
            return


def _originals(seed: int) -> list[Callable[[], _Told]]:
    """Return what tells each session that is copied, when it is asked for the first time."""
    plans: list[Callable[[Dice], _Told]] = [
        *(partial(_tell, used, steps, seed) for used in CLIENTS[3:] for steps in _LENGTHS),
        *(partial(_tell_forked, CLIENTS[-1], steps, seed) for steps in _LENGTHS[:2]),
        *(partial(_tell_codex, turns, seed) for turns in _TURNS),
    ]
    return [cache(partial(tell, Dice(seed + nth))) for nth, tell in enumerate(plans)]


def _working_day(day: date, number: int) -> date:
    """Move four of five sessions of a weekend to the days before it."""
    return day - timedelta(days=2) if day.weekday() >= 5 and number % 5 else day


def _tag(number: int, seed: int) -> str:
    """Give each number a tag of its own: an odd factor never maps two below 2^32 to one."""
    return f"{(number * 2_654_435_761 + seed * 40_503) % 2**32:08x}"


def _tell(used: Client, steps: int, seed: int, dice: Dice) -> _Told:
    """Tell a session in which every id holds the tag."""
    return _placed(_story(used, steps, seed, dice))


def _tell_forked(used: Client, steps: int, seed: int, dice: Dice) -> _Told:
    """Tell a session that was resumed under another id, with most of it copied."""
    story = _story(used, steps, seed + 1, dice)
    fork = story.main.fork(f"{story.main.session_id[:-1]}f", lines=len(story.main) * 2 // 3)
    fork.ids = _TaggedIds(f"bulk {fork.session_id}")
    resumed = Story(fork.wait(3600), used, dice, result_size=3_200)
    resumed.turn(steps=steps // 4)
    return _placed(story, resumed)


def _placed(*stories: Story) -> _Told:
    files = {path: content for story in stories for path, content in story.files().items()}
    return _Told({f"{_PLACE}/{path}": content for path, content in files.items()})


def _story(used: Client, steps: int, seed: int, dice: Dice) -> Story:
    kind = used.version.replace(".", "")[-3:]
    session_id = f"{_TAG}-{steps:04x}-4{kind:0>3}-8000-{seed % 2**44:011x}0"
    start = datetime.fromisoformat(f"{_DAY}T06:00:00").replace(tzinfo=UTC)
    main = ClaudeTranscript(session_id, cwd=f"/work/{_PROJECT}", version=used.version, start=start)
    main.ids = _TaggedIds(f"bulk {session_id}")
    story = Story(main, used, dice, result_size=3_200)
    for part in range(steps // 20):
        story.turn(steps=12)
        story.use_skill(dice.choice(words.SKILLS))
        story.call_mcp()
        story.command(dice.choice(words.CUSTOM_COMMANDS), custom=True)
        tools.call_in_parallel(story)
        if used.relays:
            tools.run_long(story)
            client.hook(story)
        if used.attaches:
            client.attach_hooks(story)
            people.attach_prompts(story)
        if part % 3 == 0:
            story.delegate()
            agents.delegate_to_the_background(story)
        if part % 8 == 7:
            client.compact(story)
        story.fail()
    story.speaker.use(ToolUse("Read", {"file_path": "pnpm-lock.yaml"}), _LONG_LINE * (steps // 40))
    return story


def _tell_codex(turns: int, seed: int, dice: Dice) -> _Told:
    """Tell a rollout in which every id holds the tag."""
    start = datetime.fromisoformat(f"{_DAY}T06:00:00").replace(tzinfo=UTC)
    session_id = f"{_TAG}-{turns:04x}-7c41-8000-{seed % 2**48:012x}"
    rollout = CodexRollout(session_id, cwd=f"/work/{_PROJECT}", start=start)
    rollout.ids = _TaggedIds(f"bulk {session_id}")
    for _ in range(turns):
        codex_story.turn(rollout, dice)
    return _Told({rollout.relative_path.as_posix(): bytes(rollout)})
