# Everything a person does with Tutti starts here. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(VENV)/uv/bin/uv
READY  := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup demo run test lint lock bench clean
.DEFAULT_GOAL := help

help:           ## list these targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

setup: $(READY) ## make the environment from requirements.lock

# uv lives in an environment of its own, so that syncing to the lock does not remove it.
$(UV):
	$(PYTHON) -m venv $(VENV)
	$(PYTHON) -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.8

$(READY): requirements.lock $(UV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	touch $(READY)

demo: $(READY)  ## one song to a folder of results: make demo [SONG=path or URL]
	$(BIN)/python -m jobs.demo $(if $(SONG),"$(SONG)")

run: $(READY)   ## serve on localhost:8000 until Ctrl-C (dashboard on 8265)
	RAY_USAGE_STATS_ENABLED=0 $(BIN)/serve run serve_config.yaml

test: lint      ## every check and test
	$(BIN)/python -m pytest

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(UV)     ## pin the newest versions that pyproject.toml allows
	$(UV) pip compile pyproject.toml --extra dev --universal --generate-hashes --upgrade --quiet \
		--custom-compile-command "make lock" --output-file requirements.lock

bench: $(READY) ## measure: ratios side by side in one run
	$(BIN)/python -m jobs.benchmark

clean:          ## remove the environment and caches (never your data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
