"""Scenes of the client and the API: compactions, hooks, errors, names, fallbacks, damage."""

from typing import Any

from sessionmill.demo.claude_client import ATTACHMENTS
from sessionmill.demo.story import Story


def compact(story: Story) -> None:
    """Compact the conversation, by itself or by hand, and go on with a small context."""
    for trigger in ("auto", "manual"):
        if trigger == "manual":
            story.command("/compact", custom=False)
        if story.client.agents == "folder" and story.client.release < (2, 1, 81):
            _compact_by_an_agent(story)
        story.main.compact_boundary(trigger=trigger)
        story.main.compact_summary(story.speaker.printed())
        story.speaker.context = 16_000
        story.speaker.work(1)
    story.speaker.say()


def _compact_by_an_agent(story: Story) -> None:
    """Keep the request that sums up, as clients did that wrote it as a sub-agent's file."""
    agent = story.main.subagent(f"acompact-{story.main.ids.hex(6)}")
    agent.last_uuid = story.main.last_uuid
    agent.prompt("Summarize the conversation so far.")
    model = story.client.model
    agent.response("<summary>Rounding.</summary>", model=model, cache_read_tokens=160_000)
    story.keep(agent)


def microcompact(story: Story) -> None:
    """Drop old results from the context."""
    story.main.microcompact_boundary()
    story.speaker.context = max(16_000, story.speaker.context - 21_300)
    story.speaker.work(1)


def retry(story: Story) -> None:
    """Fail a request twice, and have it answered; give up on three others; be asked nothing."""
    story.main.retry(1)
    story.main.retry(2)
    story.speaker.say(thinking="The connection is back. I go on where I was.")
    story.main.api_error("API Error: Connection error.")
    story.main.api_error("Limit reached.", error="rate_limit", apiErrorStatus=429)
    story.main.api_error("Please run /login", error="authentication_failed", requestId=None)
    story.main.no_response()
    story.turn(1)


def lack_ids(story: Story) -> None:
    """Answer without a request id, and without a message id."""
    story.speaker.say(requestId=None)
    story.speaker.say(id="")


def spend_apart(story: Story) -> None:
    """Answer with tokens of each class alone, and from a place that is named."""
    written: dict[str, Any] = {"cache_write_5m_tokens": 700, "cache_write_1h_tokens": 900}
    model: dict[str, Any] = {"model": story.client.model}
    story.main.response(cache_read_tokens=0, **written, **model)
    story.main.response(cache_write_5m_tokens=512, split_cache=False, **model)
    story.main.response(input_tokens=0, output_tokens=0, service_tier="priority", **model)


def name_the_place(story: Story) -> None:
    """Answer from a part of the world that usage names."""
    story.speaker.say(inference_geo="global")
    story.speaker.say(inference_geo="")


def hurry(story: Story) -> None:
    """Answer in fast mode."""
    story.speaker.options = {"speed": "fast"}
    story.speaker.work(2)
    story.speaker.options = {}


def fall_back(story: Story) -> None:
    """Have a refused request answered by another model."""
    story.main.fall_back()


def hook(story: Story) -> None:
    """Run hooks, told on progress lines."""
    story.main.hook_progress("SessionStart:startup")
    story.speaker.work(1)
    story.main.hook_progress("PostToolUse:Bash")


def attach_hooks(story: Story) -> None:
    """Run hooks, told in attachments."""
    story.main.hook_attachment("hook_success", "SessionStart:startup")
    story.main.hook_attachment("hook_additional_context", "UserPromptSubmit")
    story.main.hook_attachment("hook_system_message", "SessionStart:startup")
    story.main.hook_attachment("hook_non_blocking_error", "PreToolUse:Agent")
    story.main.hook_attachment("hook_blocking_error", "PostToolUse:Edit")
    story.main.hook_attachment("hook_stopped_continuation", "Stop")


def end_a_turn(story: Story) -> None:
    """Tell how long a turn took, and which hooks ended it."""
    story.turn(1)
    story.main.stop_hook_summary(errors=("lint failed",))
    story.main.turn_duration()


def notice(story: Story) -> None:
    """Tell something on a system line without a subtype."""
    story.main.notice()


def remind(story: Story) -> None:
    """Remind the model on a user line."""
    story.main.reminder()
    story.speaker.work(1)


def come_back(story: Story) -> None:
    """Sum up for a person who was away."""
    story.main.wait(7200).away_summary()
    story.correct()


def attach_everything(story: Story) -> None:
    """Remind the model of all that this client attaches."""
    for kind in ATTACHMENTS:
        story.main.attachment(kind)
    story.speaker.say()


def name_in_a_summary(story: Story) -> None:
    """Name the session as older clients do."""
    story.main.summary("Rounding of the total")


def keep_history(story: Story) -> None:
    """Keep the state of files."""
    story.main.snapshot()


def name_the_session(story: Story) -> None:
    """Name the session as newer clients do."""
    story.main.title()


def link(story: Story) -> None:
    """Open a pull request, and show a page."""
    story.main.pr_link()
    story.main.frame_link()


def keep_modes(story: Story) -> None:
    """Keep the mode, and what was asked last."""
    story.main.mode()
    story.main.permission_mode()
    story.main.agent_name()
    story.main.last_prompt()


def be_damaged(story: Story) -> None:
    """Lose parts of lines: some can be read all the same, some are malformed."""
    story.speaker.say()
    story.main.tear()
    story.correct()
    story.main.glue()
    story.speaker.say()
    story.main.pad().nuls().blank()
    story.speaker.say()
    story.main.value(["no", "object"])
