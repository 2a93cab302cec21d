"""A processor whose class has the name of another module's."""

from __future__ import annotations

import run_effectful


class Contextual(run_effectful.Contextual):
    name = "namesake-too"
