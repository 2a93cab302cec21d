"""Made-up transcripts in the true formats: builders for tests, and a team to try reports on."""
