# The commands of the README. Each makes what it needs: a virtual environment in .venv (or $VENV), and what goes in it.

PYTHON ?= python3
VENV ?= .venv
SIZE ?= default
DURATION ?= 30m
SEED ?=
BIN = $(VENV)/bin

.PHONY: help demo test soak mutants bench lint format docs lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# An environment is made again when what the package needs has changed. constraints.txt says in which versions.
$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[clickhouse,duckdb,embedded,mysql]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(INSTALL) 'pip>=25.1'
	$(INSTALL) --group dev
	@touch $@

demo: $(VENV)/.run ## what UK councils owe, from a database to Redis to your terminal
	@$(BIN)/countercache demo demo

test: $(VENV)/.dev ## every test, and how much of the code they run
	$(BIN)/pytest -n 4 --dist worksteal --cov

soak: $(VENV)/.dev ## faults at random, then random cases against the manual, DURATION=30m SEED=n; a report in build/soak
	$(BIN)/python -m tests.faults.soak --duration $(DURATION) $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.evaluator --cases 500 $(if $(SEED),--seed $(SEED))

mutants: $(VENV)/.dev ## which tests miss a safeguard that is taken away
	$(BIN)/python -m tests.faults.mutants

bench: $(VENV)/.dev ## how fast it is, against bare SQL; SIZE=small, default or large
	$(BIN)/python -m bench --size $(SIZE)

lint: $(VENV)/.dev ## style, format and types; the shape of the workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

format: $(VENV)/.dev ## put style and format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev ## every generated page
	$(BIN)/python docs/generate.py

# uv resolves for every Python and system at once, with markers in one file.
lock: ## the newest versions of what tests, tools and the package itself need, into constraints.txt
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check uv
	build/lock/bin/uv pip compile pyproject.toml --extra clickhouse --extra duckdb --extra embedded --extra mysql --group dev \
	  --universal --python-version 3.11 \
	  --upgrade --no-annotate --custom-compile-command 'make lock' --quiet --output-file constraints.txt

clean: ## remove what these commands made
	rm -rf $(VENV) build dist demo
