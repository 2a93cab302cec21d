"""sessionmill: a pipeline over the transcripts that coding agents write."""
