"""sessionmill: a pipeline over the transcripts that coding agents write."""

__version__ = "0.1.0"
