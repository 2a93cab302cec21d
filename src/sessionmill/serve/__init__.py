"""The server: schedules processors, and answers over HTTP."""
