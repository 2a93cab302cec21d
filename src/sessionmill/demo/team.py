"""Generates the transcripts of a made-up team: what a new user tries reports on, and benches read.

Every kind of record that the usage rules speak of occurs at least once, whatever the seed: a
client of each generation and its way to record sub-agents, a fork, a malformed line, and so on.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random

from sessionmill.demo import bulk, words
from sessionmill.demo.claude_code import ClaudeTranscript
from sessionmill.demo.codex import CodexRollout
from sessionmill.demo.story import CLIENTS, Client, Story
from sessionmill.demo.transcript import uuid_of

#: So that each client's first session and its further ones exist in the smallest team too.
_FEWEST_SESSIONS = 3 * len(CLIENTS)
#: Days on which the Codex user runs Codex beside Claude Code.
_CODEX_ROLLOUTS = 5


@dataclass(frozen=True)
class DemoSummary:
    """What was written."""

    transcripts: int
    bytes: int
    users: int


@dataclass(frozen=True, kw_only=True)
class _Sitting:
    """Who sits down when, with which client: one session to be told."""

    user: str
    project: str
    start: datetime
    client: Client
    #: How many sessions with this client came before.
    nth: int


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
    for path, content in _small_team(users=users, days=days, seed=seed, end=end):
        writer.write(path, content)
    if writer.bytes < size_bytes:
        bulk.fill(writer, size_bytes, users=users, days=days, seed=seed, end=end)
    return DemoSummary(transcripts=writer.files, bytes=writer.bytes, users=len(writer.users))


def _small_team(*, users: int, days: int, seed: int, end: date) -> Iterator[tuple[str, bytes]]:
    """Give each file of the team: its path below the folder, and its content."""
    random = Random(seed)  # noqa: S311 -- made-up figures, no secrets
    names = words.NAMES[:users]
    for number, sitting in enumerate(_sittings(names, days, end, random)):
        place = f"{sitting.user}/-work-{sitting.project}"
        for path, content in _session(sitting, _session_id(seed, number), random):
            yield f"{place}/{path}", content
    user = names[min(1, users - 1)]
    for number in range(_CODEX_ROLLOUTS):
        for rollout in _rollouts(number, days, end, seed, random):
            yield f"{user}/{rollout.relative_path.as_posix()}", bytes(rollout)


def _sittings(names: tuple[str, ...], days: int, end: date, random: Random) -> Iterator[_Sitting]:
    """Spread sessions over the working days; the clients grow newer as time passes."""
    plan: list[tuple[datetime, str]] = []
    for back in range(days - 1, -1, -1):
        day = end - timedelta(days=back)
        busy = (0.1, 0.05) if day.weekday() >= 5 else (0.65, 0.2)
        starts = [
            (_some_time(day, random), name)
            for name in names
            for chance in busy
            if random.random() < chance
        ]
        plan += sorted(starts)
    while len(plan) < _FEWEST_SESSIONS:
        plan.append((_some_time(end, random), random.choice(names)))
    seen = dict.fromkeys(CLIENTS, 0)
    for number, (start, name) in enumerate(plan):
        client = CLIENTS[number * len(CLIENTS) // len(plan)]
        project = random.choice(words.PROJECTS)
        yield _Sitting(user=name, project=project, start=start, client=client, nth=seen[client])
        seen[client] += 1


def _some_time(day: date, random: Random) -> datetime:
    """Choose a moment of a working day, in UTC."""
    minutes = random.randint(7 * 60, 17 * 60)
    return datetime.combine(day, time(), UTC) + timedelta(minutes=minutes)


def _session(sitting: _Sitting, session_id: str, random: Random) -> Iterator[tuple[str, bytes]]:
    """Tell one session: of each client the first is a tour, the second and third hold the rare."""
    client = sitting.client
    main = ClaudeTranscript(
        session_id,
        cwd=f"/work/{sitting.project}",
        version=client.version,
        start=sitting.start,
    )
    story = Story(main, client, random)
    story.turn()
    if sitting.nth == 0:
        _tour(story)
    else:
        _ordinary(story)
    for rare in _RARE.get((client.version, sitting.nth), ()):
        rare(story)
    yield from story.files().items()
    if (client.version, sitting.nth) == _FORKED:
        yield from _forked(story).files().items()


def _tour(story: Story) -> None:
    """Do everything that this client's users do every day."""
    story.use_skill("commit")
    story.use_skill("superpowers:writing-plans")
    story.call_mcp()
    story.call_mcp(fail=True)
    story.delegate()
    story.command("/model", custom=False)
    story.command("/context", custom=False)
    story.command("/release", custom=True)
    story.fail()
    story.correct()


def _ordinary(story: Story) -> None:
    """Do a few things of many."""
    random = story.random
    habits: list[tuple[float, Callable[[], None]]] = [
        (0.4, lambda: story.use_skill(random.choice(words.SKILLS))),
        (0.3, story.call_mcp),
        (0.5, story.delegate),
        (0.3, story.fail),
        (0.3, story.correct),
        (0.3, lambda: story.command(random.choice(words.BUILT_IN_COMMANDS), custom=False)),
        (0.2, lambda: story.command(random.choice(words.CUSTOM_COMMANDS), custom=True)),
        (0.5, story.turn),
    ]
    for chance, habit in habits:
        if random.random() < chance:
            habit()


def _forked(story: Story) -> Story:
    """Resume half of a session under a new id, and go on differently."""
    new_id = uuid_of(hashlib.blake2b(story.main.session_id.encode(), digest_size=16).digest())
    copy = story.main.fork(new_id, lines=len(story.main) // 2)
    fork = Story(copy.wait(3600), story.client, story.random)
    fork.turn()
    return fork


#: What is done once or twice in the whole team, by client and its how-many-eth session.
_RARE: dict[tuple[str, int], tuple[Callable[[Story], None], ...]] = {
    ("1.0.98", 1): (lambda story: story.main.summary("Rounding of the total"),),
    ("2.0.76", 1): (Story.think_and_retry, lambda story: story.main.snapshot()),
    ("2.0.76", 2): (Story.damage, Story.turn),
    ("2.1.30", 0): (lambda story: story.delegate(keep_file=False), Story.hook),
    ("2.1.30", 1): (Story.compact,),
    ("2.1.30", 2): (Story.break_off,),
    ("2.1.217", 0): (Story.fall_back, Story.queue_prompt, lambda story: story.main.title()),
    ("2.1.217", 1): (lambda story: story.delegate(background=True),),
}
_FORKED = ("2.1.217", 2)


def _rollouts(
    number: int, days: int, end: date, seed: int, random: Random
) -> Iterator[CodexRollout]:
    """Tell a Codex session; the second is resumed and compacted, the third is forked."""
    day = end - timedelta(days=min(days - 1, 2 * number))
    start = _some_time(day, random)
    rollout = CodexRollout(_codex_id(start, seed, number), start=start)
    _codex_turn(rollout, random)
    if number == 1:
        rollout.wait(3600).reopen()
        rollout.null_tokens()
        rollout.compacted()
        _codex_turn(rollout, random)
    if number == 2:
        fork = rollout.fork(_codex_id(start, seed, number + _CODEX_ROLLOUTS))
        _codex_turn(fork, random)
        yield fork
        rollout.turn("gpt-5.5")
        rollout.prompt(random.choice(words.PROMPTS))
        rollout.call(arguments={"cmd": "make test"}, result=None)
        rollout.abort()
    yield rollout


def _codex_turn(rollout: CodexRollout, random: Random) -> None:
    rollout.turn()
    rollout.prompt(random.choice(words.PROMPTS))
    for step in range(random.randint(3, 8)):
        rollout.reasoning()
        result = words.listing(random, random.randint(200, 2_000))
        command = random.choice(words.COMMANDS)
        rollout.call(arguments={"cmd": command}, result=result, success=step != 1)
        rollout.tokens(20_000 + 3_000 * step, 16_000 + 3_000 * step, random.randint(80, 900), 64)
    rollout.custom_call()
    rollout.call("ask_question", {"limit": 3}, namespace="mcp__deepwiki", result="three answers")
    rollout.message(random.choice(words.ANSWERS))
    rollout.tokens(48_000, 46_000, random.randint(80, 900), 128)
    rollout.repeat_tokens()
    rollout.complete()


def _session_id(seed: int, number: int) -> str:
    return uuid_of(hashlib.blake2b(f"session {seed} {number}".encode(), digest_size=16).digest())


def _codex_id(start: datetime, seed: int, number: int) -> str:
    """Form a uuid of version 7: the time, then the rest of a hash."""
    moment = int(start.timestamp() * 1000).to_bytes(6, "big")
    digest = hashlib.blake2b(f"rollout {seed} {number}".encode(), digest_size=10).digest()
    return uuid_of(moment + digest, version=7)
