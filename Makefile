# delever: everything a newcomer or a checker needs. Python >= 3.11 and make are enough.

VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# The first interpreter that is new enough; PYTHON=... chooses another.
FOUND   = $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
            $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTHON ?= $(FOUND)

# Two to four workers; a worker holds half a GiB. PYTEST_ARGS=... says otherwise: a file, -x, nothing for one process.
PYTEST_ARGS ?= -n auto --maxprocesses 4 --dist worksteal

# --seed 2 --calls 1000 --seconds 60, --only csv rows; a finding says how it is seen again.
FUZZ_ARGS ?= --seed 1 --calls 200000

.DEFAULT_GOAL := help
.PHONY: help demo test lint check-types check-layers fuzz edges bench docs lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Installs from the lock, hashes checked, then the package itself in editable form. A change of either file installs anew.
$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "delever needs Python 3.11 or newer; none was found (PYTHON=/path/to/python3.11 make ...)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## stress-test the embedded world; leaves runs/demo with report.html, summary.md and wall.svg
	@rm -rf runs/demo
	$(BIN)/delever wall first --asset ETH --shock -30%
	$(BIN)/delever stress first --out runs/demo
	@$(BIN)/delever wall first --asset ETH --shock -60%..0% --chart runs/demo/wall.svg > runs/demo/wall.txt
	$(BIN)/delever report runs/demo

test: lint check-types check-layers  ## everything CI checks: style, types, layers, tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(READY)  ## style and format
	$(BIN)/ruff check .

check-types: $(READY)  ## mypy --strict
	$(BIN)/mypy

check-layers: $(READY)  ## imports go downwards only
	$(BIN)/lint-imports

fuzz: $(READY)  ## whatever comes from outside, mutated: 200,000 calls of a seed; FUZZ_ARGS=... says otherwise
	$(BIN)/python -m tests.fuzz $(FUZZ_ARGS)

edges: $(READY)  ## cases of contract vectors on edges, file by file: alike, and what a float cannot tell; DELEVER_VECTORS names their folder
	cd tests && ../$(BIN)/python -m protocols.edges

bench: $(READY)  ## benchmarks; prints JSON
	$(BIN)/python -m benchmarks

docs: $(READY)  ## HTML pages into docs/_build
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b html docs docs/_build/html

# A newer set of versions, with hashes and without addresses, for every Python we support.
lock: $(READY)  ## renew requirements.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links --extra test --extra docs pyproject.toml --output-file requirements.txt

clean:  ## remove the environment, runs and caches
	rm -rf $(VENV) runs docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
