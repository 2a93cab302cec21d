"""Which scenes there are, and with which clients: a table.

Every scene that a client can have is had by its users: each once in their first three sessions
with it, and a few now and then in later ones.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sessionmill.demo.claude_blocks import ATTACHMENTS_SINCE, ATTRIBUTION_SINCE, Release
from sessionmill.demo.clients import Client
from sessionmill.demo.scenes import agents, client, people, tools
from sessionmill.demo.story import Story


@dataclass(frozen=True)
class Scene:
    """Something that may happen with clients of these versions, both included."""

    tell: Callable[[Story], None]
    since: Release = (0,)
    until: Release = (99,)

    def suits(self, used: Client) -> bool:
        """Say whether it may happen with that client."""
        return self.since <= used.release <= self.until


SCENES = (
    Scene(tools.edit_like_long_ago, until=(1, 0, 128)),
    Scene(tools.write_todos, until=(2, 1, 15)),
    Scene(tools.keep_tasks, since=(2, 1, 20)),
    Scene(tools.look_for_tools, since=(2, 1, 81)),
    Scene(tools.call_in_parallel),
    Scene(tools.interleave),
    Scene(tools.call_mcp),
    Scene(tools.use_skills, since=(2, 0, 76)),
    Scene(tools.search_the_web),
    Scene(tools.run_long, since=(2, 1, 9), until=(2, 1, 81)),
    Scene(tools.see_a_screenshot, since=(2,)),
    Scene(tools.fail),
    Scene(tools.be_refused),
    Scene(tools.break_off),
    Scene(agents.delegate),
    Scene(agents.lose_an_agent, since=(2, 1, 9), until=(2, 1, 81)),
    Scene(agents.delegate_to_the_background, since=(2, 0, 64)),
    Scene(agents.nest_agents, since=ATTRIBUTION_SINCE),
    Scene(agents.run_a_workflow, since=ATTRIBUTION_SINCE),
    Scene(agents.send_a_message, since=ATTACHMENTS_SINCE),
    Scene(people.correct),
    Scene(people.run_commands),
    Scene(people.run_local_commands, since=(2, 0, 76), until=(2, 1, 38)),
    Scene(people.run_by_hand),
    Scene(people.show_images, since=(2,)),
    Scene(people.interrupt),
    Scene(people.queue_prompts, since=(2, 0, 37)),
    Scene(people.attach_prompts, since=ATTACHMENTS_SINCE),
    Scene(people.plan, since=(2, 1, 9)),
    Scene(people.use_odd_letters),
    Scene(people.quote_tags),
    Scene(people.resume_in_place, since=(2, 1, 9), until=(2, 1, 14)),
    Scene(client.compact),
    Scene(client.microcompact, since=(2, 0, 76)),
    Scene(client.retry),
    Scene(client.lack_ids),
    Scene(client.spend_apart),
    Scene(client.name_the_place, since=(2, 1, 38)),
    Scene(client.hurry, since=(2, 1, 41)),
    Scene(client.fall_back, since=ATTRIBUTION_SINCE),
    Scene(client.hook, since=(2, 1, 9), until=(2, 1, 81)),
    Scene(client.attach_hooks, since=ATTACHMENTS_SINCE),
    Scene(client.end_a_turn, since=(2, 1, 9)),
    Scene(client.notice, until=(2, 0, 42)),
    Scene(client.remind, since=(2, 0, 42)),
    Scene(client.come_back, since=(2, 1, 81)),
    Scene(client.attach_everything, since=ATTACHMENTS_SINCE),
    Scene(client.name_in_a_summary, until=(2, 1, 22)),
    Scene(client.keep_history, since=(2, 0, 55), until=(2, 1, 114)),
    Scene(client.name_the_session, since=(2, 1, 81)),
    Scene(client.link, since=(2, 1, 29)),
    Scene(client.keep_modes, since=ATTACHMENTS_SINCE),
    Scene(client.be_damaged, since=(2, 0, 76), until=(2, 1, 39)),
)


def scenes_of(used: Client) -> tuple[Scene, ...]:
    """Return what may happen with that client."""
    return tuple(scene for scene in SCENES if scene.suits(used))
