"""Usage: who invoked what, with what result, at how many tokens; exact, and traced to lines."""

from sessionmill.process.usage.usage import Usage

__all__ = ["Usage"]
