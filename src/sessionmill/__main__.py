"""`python -m sessionmill`."""

from sessionmill.cli import main

main()
