"""The audit: the figures of the tables against a second count from the raw files."""
