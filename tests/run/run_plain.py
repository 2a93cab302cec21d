"""The smallest processor there is: the shape of the contract, and nothing else."""

from pathlib import Path

import duckdb

from sessionmill.contracts import ProcessorResult


class Plain:
    name = "plain"
    cadence_minutes = 15

    def process_session(
        self,
        session_path: Path,
        username: str,
        session_key: str,
        conn: duckdb.DuckDBPyConnection,
    ) -> ProcessorResult:
        lines = session_path.read_bytes().count(b"\n")
        conn.execute("CREATE TABLE IF NOT EXISTS plain (username VARCHAR, key VARCHAR, n BIGINT)")
        conn.execute("INSERT INTO plain VALUES (?, ?, ?)", [username, session_key, lines])
        return ProcessorResult(items_count=lines)
