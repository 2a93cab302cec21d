"""Who does what, when, and what happens if it fails."""
