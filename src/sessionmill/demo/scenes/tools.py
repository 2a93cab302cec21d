"""Scenes around tool calls: those of each generation, parallel ones, refused and failed ones."""

from sessionmill.demo import words
from sessionmill.demo.claude_code import ToolUse, image, mcp, skill, text
from sessionmill.demo.story import Story


def edit_like_long_ago(story: Story) -> None:
    """Use the tools that only the oldest clients had."""
    story.speaker.use(ToolUse("LS", {"path": "/work/shop"}))
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": "d"}]
    story.speaker.use(ToolUse("MultiEdit", {"file_path": "src/cart.py", "edits": edits}))


def write_todos(story: Story) -> None:
    """Keep a list of what is to be done, as older clients do."""
    todos = [{"content": "Round once", "status": "pending", "activeForm": "Rounding once"}]
    story.speaker.use(ToolUse("TodoWrite", {"todos": todos}), "Todos have been modified.")


def keep_tasks(story: Story) -> None:
    """Keep a list of what is to be done, as newer clients do."""
    story.speaker.use(ToolUse("TaskCreate", {"subject": "Round once"}), "Task #1 created")
    story.speaker.use(ToolUse("TaskUpdate", {"taskId": "1", "status": "completed"}), "Updated")


def look_for_tools(story: Story) -> None:
    """Look for a tool that is not loaded yet."""
    story.speaker.use(ToolUse("ToolSearch", {"query": "select:WebFetch"}), "WebFetch")


def call_in_parallel(story: Story) -> None:
    """Call three tools in one response; results come in another order, with earlier times."""
    uses = [_identified(story, name) for name in ("Glob", "Grep", "Read")]
    story.speaker.say("", calls=uses, partial_output_tokens=[1, 40])
    for use in reversed(uses):
        story.main.result(use.id or "", story.speaker.printed(), after=-0.25)


def interleave(story: Story) -> None:
    """Let a result come between two lines of one response."""
    first, second = _identified(story, "Glob"), _identified(story, "Grep")
    figures = story.speaker.figures()
    id = story.main.response("", calls=[first], **{**figures, "output_tokens": 30})
    story.main.result(first.id or "", "src/cart.py")
    story.main.response("", id=id, calls=[second], **figures)
    story.main.result(second.id or "", story.speaker.printed())


def call_mcp(story: Story) -> None:
    """Call an MCP server, one that a plugin brought, and one that fails."""
    story.call_mcp()
    story.speaker.use(mcp("plugin_docs-kit_search", "find_page", query="total"), [text("none")])
    story.call_mcp(fail=True)


def use_skills(story: Story) -> None:
    """Launch a skill of the team's own, one of a plugin, any other, and one that is not there."""
    story.use_skill("commit")
    story.use_skill("superpowers:writing-plans")
    story.use_skill(story.dice.choice(words.SKILLS))
    unknown = "<tool_use_error>Unknown skill: release-notes</tool_use_error>"
    story.speaker.use(skill("release-notes", args="patch"), unknown, is_error=True)


def search_the_web(story: Story) -> None:
    """Search and fetch by tools, and by the API itself."""
    search = story.speaker.ask_for(ToolUse("WebSearch", {"query": "banker's rounding"}))
    if story.client.relays:
        story.main.tool_progress("query_update", parent_tool_use_id=search)
        story.main.tool_progress("search_results_received", parent_tool_use_id=search)
    story.main.result(search, "Links: []")
    story.speaker.use(ToolUse("WebFetch", {"url": "https://example.invalid/", "prompt": "Why?"}))
    if story.client.release >= (2, 1, 41):
        story.speaker.say(web_searches=2, web_fetches=1)


def run_long(story: Story) -> None:
    """Run what takes long, told on progress lines, as is an MCP server's work."""
    run = story.speaker.ask_for(ToolUse("Bash", {"command": "make test"}))
    for _ in range(3):
        story.main.tool_progress("bash_progress", parent_tool_use_id=run)
    story.main.result(run, story.speaker.printed())
    called = story.speaker.ask_for(mcp("github", "create_issue"))
    story.main.tool_progress("mcp_progress", parent_tool_use_id=called)
    story.main.result(called, [text("created")])


def see_a_screenshot(story: Story) -> None:
    """Get an image from a tool."""
    story.speaker.use(mcp("browser", "screenshot"), [image(), text("1 x 1")])


def fail(story: Story) -> None:
    """Run a command that fails, and another in its place."""
    story.fail()


def be_refused(story: Story) -> None:
    """Ask for what a person rejects, with a reason and without, and for what settings deny."""
    rejected = story.speaker.ask_for(ToolUse("Bash", {"command": "git push --force"}))
    story.main.reject(rejected, story.dice.choice(words.CORRECTIONS))
    again = story.speaker.ask_for(ToolUse("Write", {"file_path": "/etc/hosts", "content": ""}))
    story.main.reject(again)
    story.main.interrupt(during_tool=True)
    story.main.prompt("Leave that file alone.")
    denied = story.speaker.ask_for(ToolUse("WebFetch", {"url": "https://example.invalid/"}))
    story.main.deny(denied)
    story.speaker.say()


def break_off(story: Story) -> None:
    """Call what nobody answers any more."""
    story.speaker.ask_for(ToolUse("Bash", {"command": "sleep 600"}))
    story.main.interrupt(during_tool=True)


def _identified(story: Story, name: str) -> ToolUse:
    return ToolUse(name, {"path": "src"}, story.main.ids.base58("toolu_01", 22))
