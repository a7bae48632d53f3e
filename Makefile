# Each recipe is one readable line. `make run` and `make test` need nothing but Python >= 3.11 on Linux or macOS.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
READY  := $(VENV)/.ready

.PHONY: run test check fix e2e bench load docs clean
.DEFAULT_GOAL := help

help:            ## show this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): uv.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null 2>&1 || test -x $(BIN)/uv || $(BIN)/python -m ensurepip --upgrade >/dev/null
	@command -v uv >/dev/null 2>&1 || test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@UV_SYSTEM_CERTS=1 UV_PROJECT_ENVIRONMENT=$(abspath $(VENV)) $(UV) sync --frozen --quiet --inexact
	@touch $@

run: $(READY)    ## start everything on this machine: collector, delivery, console, sandbox, demo shop
	@exec $(BIN)/sluis up

test: $(READY)   ## the whole test suite, real Valkey and, where there is one, a real browser
	$(BIN)/python -m pytest

check: $(READY)  ## format, lint, types, import contracts, house rules, pure tests
	$(BIN)/ruff format --check && $(BIN)/ruff check && $(BIN)/mypy && $(BIN)/lint-imports --no-cache && $(BIN)/python -m pytest -q tests/house tests/consent tests/contract tests/docs tests/deploy

fix: $(READY)    ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix; $(BIN)/ruff format

e2e: $(READY)    ## only the tests with real processes and the browser
	$(BIN)/python -m pytest tests/e2e

bench: $(READY)  ## CPU per request beside a bare Starlette route, throughput in batches, memory (about 4 minutes)
	$(BIN)/python -m loadtests.bench

load: $(READY)   ## realistic sessions against a running `make run`, headless, one minute
	$(BIN)/python -m loadtests.load

docs: $(READY)   ## write the docs pages that are made from the code
	$(BIN)/python -m docs.generate

clean:           ## remove the environment and caches; data under var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
