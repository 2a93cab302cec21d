"""Scenes that a person makes: commands, images, queued prompts, interrupts, forks."""

from sessionmill.demo import words
from sessionmill.demo.claude_code import ToolUse
from sessionmill.demo.story import Story


def correct(story: Story) -> None:
    """Set something right."""
    story.correct()


def run_commands(story: Story) -> None:
    """Run commands of the client's own and of the team, and one that fails."""
    story.command("/model", custom=False)
    story.command("/release", custom=True)
    story.command("/docs-kit:changelog", custom=True)
    story.main.command_caveat()
    story.main.command("/mcp")
    story.main.command_output("No MCP servers configured.", error=True)


def run_local_commands(story: Story) -> None:
    """Run commands that this client writes as system lines."""
    story.main.local_command("/context")
    story.main.command_output("ok")


def run_by_hand(story: Story) -> None:
    """Run a shell command by hand."""
    story.main.command_caveat()
    story.main.bash_input("git log --oneline -3")
    story.main.bash_output("0f3c9a5 Round once", "")


def show_images(story: Story) -> None:
    """Send an image with words, and one alone."""
    story.main.paste_image("Why is the total cut off here?")
    story.speaker.say()
    story.main.paste_image()
    story.speaker.say()


def interrupt(story: Story) -> None:
    """Press escape while the model speaks, and ask for something else."""
    story.speaker.say("Let me first")
    story.main.interrupt()
    story.main.prompt(story.dice.choice(words.CORRECTIONS))
    story.speaker.say()


def queue_prompts(story: Story) -> None:
    """Type while the model works; what waits is sent, or taken back."""
    story.main.queue_operation("enqueue", "And the tests, please.")
    story.main.queue_operation("dequeue")
    story.main.prompt("And the tests, please.")
    story.speaker.say()
    story.main.queue_operation("enqueue", "Never mind.")
    story.main.queue_operation("remove")
    story.main.queue_operation("enqueue", "One more thing.")
    story.main.queue_operation("popAll", "One more thing.")


def attach_prompts(story: Story) -> None:
    """Type while the model works: an attachment tells of it, alone or beside a user line."""
    alone, twice = words.CORRECTIONS[:2]
    story.main.queued_command(alone, source_uuid=story.main.ids.uuid())
    story.speaker.say()
    story.main.queued_command(twice, source_uuid=story.main.ids.uuid())
    story.main.prompt(twice)
    story.speaker.say()


def plan(story: Story) -> None:
    """Ask for a plan, answer the model's question, and accept."""
    question = {"question": "Round up?", "options": ["yes", "no"]}
    story.speaker.use(ToolUse("AskUserQuestion", {"questions": [question]}), "yes")
    story.speaker.use(ToolUse("ExitPlanMode", {"plan": "1. round once"}), "Plan approved.")


def use_odd_letters(story: Story) -> None:
    """Paste half of an emoji, a NUL, the separators of Unicode, and text from right to left."""
    story.main.prompt("\ud83d is half of an emoji, \udd25 the other half; \u2028 and \0 are lines.")
    story.speaker.say("שלום, 你好, ça va\u00a0? \U0001f525")


def quote_tags(story: Story) -> None:
    """Read code about transcripts, where commands are quoted and none is run."""
    quoted = "if text.startswith('<command-name>/clear</command-name>'): ..."
    story.speaker.use(ToolUse("Read", {"file_path": "parser.py"}), quoted)
    story.main.prompt("What does <command-name>/clear</command-name> mean?")
    story.speaker.say("It names a command: <command-name>/clear</command-name>.")


def resume_in_place(story: Story) -> None:
    """Go on in the same file under another session id."""
    first = story.main.session_id
    story.main.resume_as(story.main.ids.uuid())
    story.correct()
    story.main.resume_as(first)
