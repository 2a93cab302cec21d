"""Scenes around sub-agents: in the background, nested, in workflows, with a lost file."""

from typing import Any

from sessionmill.demo.claude_code import ToolUse
from sessionmill.demo.story import Story
from sessionmill.demo.transcript import Transcript


def delegate(story: Story) -> None:
    """Start a sub-agent and wait for it."""
    story.delegate()


def lose_an_agent(story: Story) -> None:
    """Start a sub-agent whose file is gone: only progress lines tell what it spent."""
    story.delegate(keep_file=False)


def delegate_to_the_background(story: Story) -> None:
    """Start a sub-agent that works on while the model does; its end is told in every way."""
    call, agent, _ = story.start_agent(run_in_background=True)
    agent_id = agent.agent_id or ""
    story.main.agent_result(call, agent_id, "Launched.", background=True)
    story.keep(agent)
    story.speaker.work(1)
    wait = story.speaker.ask_for(ToolUse("TaskOutput", {"task_id": agent_id, "block": True}))
    if story.client.relays:
        story.main.tool_progress("waiting_for_task", parent_tool_use_id=wait)
    story.main.result(wait, "Found it.")
    done = f"<task-notification>\n<task-id>{agent_id}</task-id>\n</task-notification>"
    story.main.queue_operation("enqueue", done)
    story.main.queue_operation("dequeue")
    story.main.task_notification(done)
    if story.client.attaches:
        story.main.queued_command(done, mode="task-notification")
    story.speaker.say()


def nest_agents(story: Story) -> None:
    """Start a sub-agent that starts another; both have files in the session's folder."""
    call, agent, last_size = story.start_agent()
    inner = agent.subagent(story.main.ids.hex(17))
    tool = story.client.agent_tool
    figures: dict[str, Any] = {"model": story.client.agent_model, "cache_read_tokens": 9_000}
    started = agent.call(tool, {"subagent_type": "Explore"}, result=None, **figures)
    inner.wait(1).prompt("Which files hold prices?")
    inner.call("Grep", {"pattern": "price"}, **figures)
    inner.response("src/cart.py holds them.", **figures)
    agent.wait(5).agent_result(started, inner.agent_id or "")
    story.keep(agent)
    story.keep(inner)
    story.end_agent(call, agent, last_size)


def run_a_workflow(story: Story) -> None:
    """Run a workflow: its sub-agents have a folder of their own, with a journal beside them."""
    run = f"wf_{story.main.ids.hex(12)}"
    call = story.speaker.ask_for(ToolUse("Workflow", {"name": "review"}))
    story.main.result(call, f"Workflow {run} launched.")
    journal = Transcript(story.main.now, story.main.ids)
    for _ in range(2):
        agent = story.main.subagent(story.main.ids.hex(17))
        agent.prompt("Review one file.")
        agent.response("Nothing found.", model=story.client.agent_model, output_tokens=90)
        story.keep(agent, below=f"workflows/{run}")
        key = f"v2:{story.main.ids.hex(16)}"
        journal.line({"type": "started", "key": key, "agentId": agent.agent_id})
        journal.line({"type": "result", "key": key, "agentId": agent.agent_id, "result": {}})
    folder = f"{story.main.session_id}/subagents/workflows/{run}"
    story.beside[f"{folder}/journal.jsonl"] = journal
    story.speaker.say()


def send_a_message(story: Story) -> None:
    """Speak to a sub-agent that is already at work."""
    story.speaker.use(ToolUse("SendMessage", {"to": "reviewer", "message": "Hurry."}), "Sent.")
