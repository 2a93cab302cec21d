"""Mutation testing of what counts and of what decides: `python -m mutation`."""
