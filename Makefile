# Everything a person does with this repository. `make` alone lists it.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin
MODEL ?= local/painter
PORT ?= 8080

.DEFAULT_GOAL := help
.PHONY: help run test check format lint types floors bench clients soak lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/run ## The first picture, then a server; MODEL=google/… PAID=1 spends money
	@$(BIN)/impasto run --model $(MODEL) --port $(PORT) $(if $(filter 1,$(PAID)),--paid)

test: .venv/dev ## The test suite
	$(BIN)/python -m pytest

check: format lint types floors test ## Everything that continuous integration runs

format: .venv/dev ## Is everything formatted?
	$(BIN)/ruff format --check src tests scripts bench

lint: .venv/dev ## Does the linter agree?
	$(BIN)/ruff check src tests scripts bench

types: .venv/dev ## Do the types hold?
	$(BIN)/mypy

floors: .venv/dev ## Do imports point down?
	$(BIN)/lint-imports --no-cache

bench: .venv/dev ## Side by side with nginx and what peers there are (Linux, nginx, wrk)
	$(BIN)/python -m bench

clients: .venv/dev ## Which client reads which shape: the real ones, installed and run (Node 20 for some)
	$(BIN)/python -m tests.clients.run

soak: .venv/dev ## The laws at full length, and 1,000 kills on each database (docs/soak.md)
	HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest tests/properties --timeout 3600 --durations 12
	TEST_KILLS=1000 $(BIN)/python -m pytest tests/end_to_end/crashes -rP --durations 4

lock: .venv/dev ## Pin every dependency by hash, none younger than ten days
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --exclude-newer "$$(date -u -d '10 days ago' +%F 2>/dev/null || date -u -v-10d +%F)" \
		pyproject.toml --extra painter --extra postgres --extra redis --extra s3 --group build -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --exclude-newer "$$(date -u -d '10 days ago' +%F 2>/dev/null || date -u -v-10d +%F)" \
		pyproject.toml --extra painter --extra postgres --extra redis --extra s3 --extra thumbnails --extra provenance --group build --group dev -c requirements/run.txt -o requirements/dev.txt

clean: ## Remove what the other targets made
	rm -rf .venv tests/clients/.venv-clients tests/clients/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

.venv/python:
	@test -n "$(PYTHON)" || { echo "impasto needs Python 3.11 or later; none was found."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing (Debian: apt install python3-venv)."; exit 1; }
	@touch $@

.venv/run: requirements/run.txt pyproject.toml | .venv/python
	@echo "Setting up: the gateway and its painter …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt pyproject.toml | .venv/python
	@echo "Setting up: the gateway, its painter and the tools …"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ .venv/run
