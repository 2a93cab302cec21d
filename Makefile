# Two commands on a fresh machine (Python 3.11 or later, git, make): `make run` and `make test`.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup run test check soak coverage mutation fuzz bench prices lock clean

help: ## what each target does
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

setup: $(VENV)/.ready ## create .venv from the lock; nothing to do when it is up to date

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("sessionmill needs Python 3.11 or later; name one with: make PYTHON=python3.11 setup")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

run: setup ## read this machine's transcripts and print the report
	@SESSIONMILL_HOME="$${SESSIONMILL_HOME:-$(CURDIR)/.sessionmill}" $(BIN)/sessionmill start

check: setup ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## every check and every test
	$(BIN)/pytest -n 2 -m "not soak"

soak: $(VENV)/.soak ## the full counts, mutation, coverage and fuzzing (hours); fails on any skip
	$(BIN)/pytest -n 2 -m "soak" --no-skips
	$(MAKE) mutation
	$(MAKE) coverage
	$(MAKE) fuzz

$(VENV)/.soak: $(VENV)/.ready requirements-soak.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-soak.lock
	@touch $@

mutation: $(VENV)/.soak ## break what counts and decides, bit by bit; fails if tests notice less than 85%
	$(BIN)/python -m mutation

coverage: setup ## branches that the quick tests take, child processes included; fails below 90%
	rm -rf .coverage-data
	$(BIN)/coverage run -m pytest -n 2 -m "not soak"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(BIN)/coverage json --quiet -o .coverage-data/report.json
	$(BIN)/python -c 'import json, sys; covered = json.load(open(".coverage-data/report.json"))["totals"]["percent_branches_covered"]; print(f"branches: {covered:.1f}%"); sys.exit(covered < 90)'

fuzz: $(VENV)/.soak ## an hour of made-up bytes for what reads transcripts
	$(BIN)/python -m fuzz --seconds 3600

bench: setup ## print the ratios that docs/measured.md quotes
	$(BIN)/python -m bench

prices: setup ## append to the list prices what the installed genai-prices has changed
	$(BIN)/python -m prices

COMPILE := uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url \
    --no-emit-find-links --python-version 3.11 pyproject.toml

lock: ## resolve pyproject.toml anew into both locks (needs uv)
	$(COMPILE) --group dev -o requirements.lock
	$(COMPILE) --group soak --constraints requirements.lock -o requirements-soak.lock

clean: ## remove what setup and run made here
	rm -rf $(VENV) .sessionmill .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	    .coverage-data .fuzz .mutants
