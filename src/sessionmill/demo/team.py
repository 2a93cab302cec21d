"""Generates the transcripts of a made-up team: what a new user tries reports on, and benches read.

Every kind of record that is known occurs at least once, whatever the seed: a client of each
generation with every scene it can have, forks of forks, odd files, rollouts of Codex.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from sessionmill.demo import bulk, codex_story, words
from sessionmill.demo.claude_code import ClaudeTranscript
from sessionmill.demo.clients import CLIENTS, Client
from sessionmill.demo.dice import Dice
from sessionmill.demo.oddities import oddities
from sessionmill.demo.rota import Sitting, sit_down, sittings
from sessionmill.demo.scenes.table import scenes_of
from sessionmill.demo.story import Story
from sessionmill.demo.transcript import Ids, uuid_of

#: Each client's first sessions hold all of its scenes between them, whatever else there is.
_TOURS = 3
#: Scenes of each further session.
_SCENES = 4
#: The client whose third session is forked, and its fork again.
_FORKED = CLIENTS[-1]


@dataclass(frozen=True)
class DemoSummary:
    """What was written."""

    transcripts: int
    bytes: int
    users: int


def generate(
    folder: Path,
    *,
    users: int = 4,
    days: int = 14,
    seed: int = 1,
    size_bytes: int = 0,
    end: date = date(2026, 3, 15),
) -> DemoSummary:
    """Write the transcripts of a team below `folder`, one folder for each user.

    The same arguments give the same bytes. With `size_bytes`, sessions of more users and earlier
    days are added until that many bytes are written.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} is not empty. A team is generated into a new folder, so that nothing of "
            f"yours is mixed with it or overwritten: name another one."
        )
    if not 1 <= users <= len(words.NAMES) or days < 1:
        raise ValueError(
            f"A team has 1 to {len(words.NAMES)} users and works on 1 day or more; "
            f"{users} users and {days} days were asked for."
        )
    writer = bulk.Writer(folder)
    for path, content in _small_team(words.NAMES[:users], days=days, seed=seed, end=end):
        writer.write(path, content)
    if writer.bytes < size_bytes:
        bulk.fill(writer, size_bytes, users=users, days=days, seed=seed, end=end)
    return DemoSummary(transcripts=writer.files, bytes=writer.bytes, users=len(writer.users))


def _small_team(
    names: tuple[str, ...], *, days: int, seed: int, end: date
) -> Iterator[tuple[str, bytes]]:
    """Give each file of the team: its path below the folder, and its content."""
    dice = Dice(seed)
    yield from _claude_code(names, days, end, seed, dice)
    yield from _codex(names, days, end, seed, dice)
    sitting = sit_down(names, 0, end, dice)
    odd = oddities(sitting.start, f"/work/{sitting.project}", Ids(f"odd {seed}"), dice)
    for name, content in odd:
        yield f"{_place(sitting)}/{name}", content


def _claude_code(
    names: tuple[str, ...], days: int, end: date, seed: int, dice: Dice
) -> Iterator[tuple[str, bytes]]:
    """Tell the sessions of Claude Code; the clients grow newer as time passes."""
    plan = sittings(names, days, end, dice, at_least=_TOURS * len(CLIENTS))
    seen = dict.fromkeys(CLIENTS, 0)
    for number, sitting in enumerate(plan):
        client = CLIENTS[number * len(CLIENTS) // len(plan)]
        origin = f"session {seed} {number}"
        for path, content in _session(sitting, client, seen[client], _uuid(origin), dice):
            yield f"{_place(sitting)}/{path}", content
        seen[client] += 1


def _session(
    sitting: Sitting, client: Client, nth: int, session_id: str, dice: Dice
) -> Iterator[tuple[str, bytes]]:
    """Tell one session, and the forks of it if it has any."""
    cwd = f"/work/{sitting.project}"
    main = ClaudeTranscript(session_id, cwd=cwd, version=client.version, start=sitting.start)
    main.branch = sitting.branch
    story = Story(main, client, dice)
    story.turn()
    scenes = scenes_of(client)
    if nth < _TOURS:
        scenes = scenes[nth::_TOURS]
    else:
        scenes = tuple(dice.choice(scenes) for _ in range(_SCENES))
    for scene in scenes:
        scene.tell(story)
    yield from story.files().items()
    if client is _FORKED and nth == _TOURS - 1:
        first = _forked(story, lines=len(main) // 2)
        again = _forked(first, lines=len(first.main))
        other = _forked(first, lines=len(main) // 3)
        for fork in (first, again, other):
            yield from fork.files().items()


def _forked(story: Story, *, lines: int) -> Story:
    """Resume the beginning of a session under a new id, and go on differently."""
    origin = f"fork {lines} of {story.main.session_id}"
    copy = story.main.fork(_uuid(origin), lines=lines)
    fork = Story(copy.wait(3600), story.client, story.dice)
    fork.turn()
    return fork


def _codex(
    names: tuple[str, ...], days: int, end: date, seed: int, dice: Dice
) -> Iterator[tuple[str, bytes]]:
    """Tell the sessions of Codex, which every second user runs beside Claude Code."""
    users = range(min(1, len(names) - 1), len(names), 2)
    for number in range(max(codex_story.KINDS, 2 * len(users))):
        day = end - timedelta(days=min(days - 1, 2 * number % days))
        sitting = sit_down(names, users[number % len(users)], day, dice)
        for rollout in codex_story.rollouts(number, sitting.start, seed, dice):
            yield f"{sitting.user}/{rollout.relative_path.as_posix()}", bytes(rollout)


def _place(sitting: Sitting) -> str:
    return f"{sitting.user}/-work-{sitting.project}"


def _uuid(origin: str) -> str:
    return uuid_of(hashlib.blake2b(origin.encode(), digest_size=16).digest())
