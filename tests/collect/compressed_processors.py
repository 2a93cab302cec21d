"""Effectful processors that look at the file they are given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sessionmill.contracts import ProcessorResult


class Files:
    """Writes down the path and the content that it was given, and leaves a file beside it."""

    name = "files"
    cadence_minutes = 5
    tables = ("files",)

    def process_session(
        self, session_path: Path, username: str, session_key: str, conn: Any
    ) -> ProcessorResult:
        del username
        conn.execute(
            "CREATE TABLE IF NOT EXISTS files"
            " (session_key VARCHAR, path VARCHAR, content BLOB, mode BIGINT)"
        )
        mode = session_path.stat().st_mode & 0o777
        conn.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?)",
            [session_key, os.fspath(session_path), session_path.read_bytes(), mode],
        )
        if "untidy" in session_key:
            (session_path.parent / "scratch").write_text("left behind")
        return ProcessorResult(1)
