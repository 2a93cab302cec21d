"""The routes: each finds out who asks, calls one function, and answers in one shape."""
