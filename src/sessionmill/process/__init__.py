"""What to learn from transcripts: the built-in processors, which enter by the plugin door."""
