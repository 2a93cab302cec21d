"""Sessions of the Codex CLI: older and newer, forks of forks, sub-agents, some without usage."""

import hashlib
from collections.abc import Iterator
from datetime import datetime

from sessionmill.demo import words
from sessionmill.demo.codex import CodexRollout
from sessionmill.demo.dice import Dice
from sessionmill.demo.transcript import uuid_of

#: Kinds of rollouts: whoever tells so many has told of all.
KINDS = 6


def rollouts(number: int, start: datetime, seed: int, dice: Dice) -> Iterator[CodexRollout]:
    """Tell the session of that number, and those that came out of it."""
    version = "0.104.0-alpha.1" if number % KINDS == 3 else "0.142.4"
    rollout = CodexRollout(session_id(start, seed, number, 0), version=version, start=start)
    tell = (_plain, _resumed, _forked, _of_old, _uncounted, _delegating)[number % KINDS]
    yield from tell(rollout, [session_id(start, seed, number, nth) for nth in (1, 2)], dice)


def session_id(start: datetime, seed: int, number: int, nth: int) -> str:
    """Form a uuid of version 7: the time, then the rest of a hash."""
    moment = int(start.timestamp() * 1000).to_bytes(6, "big")
    origin = f"rollout {seed} {number} {nth}".encode()
    return uuid_of(moment + hashlib.blake2b(origin, digest_size=10).digest(), version=7)


def turn(rollout: CodexRollout, dice: Dice, *, counted: bool = True) -> None:
    """Let a person ask, and the model work and answer."""
    rollout.turn()
    rollout.prompt(dice.choice(words.PROMPTS))
    for step in range(dice.number(3, 8)):
        rollout.reasoning("I look for the second rounding." if step == 0 else None)
        result = words.listing(dice, dice.number(200, 2_000))
        command = dice.choice(words.COMMANDS)
        rollout.call(arguments={"cmd": command}, result=result, success=step != 1)
        if counted:
            read = 16_000 + 3_000 * step
            rollout.tokens(read + 4_000, read, dice.number(80, 900), 64)
    rollout.custom_call()
    rollout.message(dice.choice(words.ANSWERS))
    if counted:
        rollout.tokens(48_000, 46_000, dice.number(80, 900), 128)
        rollout.repeat_tokens()
    rollout.complete()


def _plain(rollout: CodexRollout, _: list[str], dice: Dice) -> Iterator[CodexRollout]:
    """Use every kind of tool."""
    rollout.instructions()
    turn(rollout, dice)
    rollout.turn()
    rollout.prompt("Which of them are used at all?")
    rollout.call("ask_question", {"limit": 3}, namespace="mcp__deepwiki", result="three answers")
    rollout.call("create_issue", {}, namespace="mcp__github", result="denied", success=False)
    rollout.call("update_plan", {"plan": []}, result="Plan updated")
    rollout.call("write_stdin", {"session_id": 1, "chars": "q"}, result="bye")
    rollout.custom_call(success=False, result="patch does not apply")
    rollout.web_search()
    rollout.tool_search()
    rollout.tokens(30_000, 20_000, 300, 0)
    rollout.message()
    rollout.complete()
    yield rollout


def _resumed(rollout: CodexRollout, _: list[str], dice: Dice) -> Iterator[CodexRollout]:
    """Resume a session later, compact it, and go on."""
    turn(rollout, dice)
    rollout.wait(3600).reopen()
    rollout.null_tokens()
    rollout.compacted()
    turn(rollout, dice)
    yield rollout


def _forked(rollout: CodexRollout, ids: list[str], dice: Dice) -> Iterator[CodexRollout]:
    """Fork a session, and the fork; end on a call that nobody answers."""
    turn(rollout, dice)
    fork = rollout.fork(ids[0])
    turn(fork, dice)
    again = fork.fork(ids[1])
    turn(again, dice)
    rollout.turn("gpt-5.5")
    rollout.prompt(dice.choice(words.PROMPTS))
    rollout.call(arguments={"cmd": "make test"}, result=None)
    rollout.abort()
    yield from (rollout, fork, again)


def _of_old(rollout: CodexRollout, _: list[str], dice: Dice) -> Iterator[CodexRollout]:
    """Work with an older client, from the editor."""
    turn(rollout, dice)
    rollout.turn()
    rollout.prompt(dice.choice(words.PROMPTS))
    rollout.local_shell("make test")
    rollout.tokens(9_000, 7_000, 120, 0)
    rollout.complete()
    yield rollout


def _uncounted(rollout: CodexRollout, _: list[str], dice: Dice) -> Iterator[CodexRollout]:
    """Work where the client counts no tokens."""
    turn(rollout, dice, counted=False)
    yield rollout


def _delegating(rollout: CodexRollout, ids: list[str], dice: Dice) -> Iterator[CodexRollout]:
    """Start two sub-agents, one of which begins with its parent's history."""
    turn(rollout, dice)
    fresh, informed = rollout.spawn(ids[0]), rollout.fork(ids[1], subagent=True)
    rollout.call("spawn_agent", {"agent_type": "explorer"}, result="started")
    turn(fresh, dice)
    turn(informed, dice)
    yield from (rollout, fresh, informed)
