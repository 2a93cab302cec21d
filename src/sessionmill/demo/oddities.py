"""Transcripts that are odd as files: empty, cut, foreign, written by another system's habits."""

from collections.abc import Iterator
from datetime import datetime

from sessionmill.demo import words
from sessionmill.demo.claude_code import ClaudeTranscript
from sessionmill.demo.clients import CLIENTS
from sessionmill.demo.dice import Dice
from sessionmill.demo.story import Story
from sessionmill.demo.transcript import Ids, Transcript


def oddities(start: datetime, cwd: str, ids: Ids, dice: Dice) -> Iterator[tuple[str, bytes]]:
    """Give each odd file: its name, and its content."""

    def short() -> ClaudeTranscript:
        client = CLIENTS[5]
        main = ClaudeTranscript(ids.uuid(), cwd=cwd, version=client.version, start=start)
        story = Story(main, client, dice)
        story.turn(1)
        story.correct()
        return main

    empty, foreign, named = (Transcript(start, ids) for _ in range(3))
    foreign.line({"event": "page_view", "path": "/cart", "at": 1_773_000_000})
    foreign.line({"event": "click", "target": "buy", "at": 1_773_000_060})
    named.line({"type": "summary", "summary": words.ANSWERS[1], "leafUuid": ids.uuid()})
    for main in (short().with_crlf(), short().with_bom(), short().unended(), short().cut()):
        yield f"{main.session_id}.jsonl", bytes(main)
    for transcript in (empty, foreign, named):
        yield f"{ids.uuid()}.jsonl", bytes(transcript)
