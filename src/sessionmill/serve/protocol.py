"""HTTP as it comes in: what is none is refused in the one shape of all errors."""

from __future__ import annotations

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from sessionmill.serve.api.errors import answer


class Protocol(H11Protocol):
    """One connection."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - as the library calls it
        """Refuse what can't be read as a request, or has more than 64 kB before its body."""
        refusal = answer(400, "no_http", "That is no HTTP, or its head is too large.")
        headers = [*refusal.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(refusal.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
