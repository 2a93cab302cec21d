"""Where transcripts are, and what a walk finds there."""
