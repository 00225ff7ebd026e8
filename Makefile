# Two commands: `make run` (the demo) and `make test` (everything). `make check` needs no server.
.DEFAULT_GOAL := run
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PY := .venv/bin/python
WORKERS ?= 3

.PHONY: run test check check-style check-types check-contracts check-tests servers bench lock docs clean

# Installing prints to standard error; standard output is the product's alone.
.venv/.ready: pyproject.toml requirements-dev.lock
	@python3 -c 'import sys; sys.exit("rotator needs Python 3.11 or newer; python3 here is %s" % sys.version.split()[0]) if sys.version_info < (3, 11) else None' >&2
	@test -x $(PY) || python3 -m venv .venv >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . >&2
	@touch $@

run: .venv/.ready
	@.venv/bin/rotator demo $(ARGS)

servers:
	@python3 -m tests.servers.provide >&2

# What needs no server; its four parts run side by side, since one of them waits for the disk while another computes.
check: .venv/.ready
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check-style check-types check-contracts check-tests

check-style: .venv/.ready
	@.venv/bin/ruff format --check --quiet . && .venv/bin/ruff check --quiet .

check-types: .venv/.ready
	@.venv/bin/mypy

check-contracts: .venv/.ready
	@.venv/bin/lint-imports --no-cache

check-tests: .venv/.ready
	@$(PY) -m pytest -q -n 2 -m "not server" tests/core tests/config tests/report tests/docs

test: .venv/.ready servers
	@.venv/bin/ruff format --check . && .venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@$(PY) -m pytest -n $(WORKERS) --dist worksteal

# What it costs, into benchmarks/results.json; `make bench ARGS="scan --long"` chooses, and adds what takes minutes.
bench: .venv/.ready servers
	@$(PY) -m benchmarks.run $(ARGS)

# Pins with hashes and without a registry address.
lock: .venv/.ready
	@$(PY) -m uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --all-extras pyproject.toml -o requirements.lock
	@$(PY) -m uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --group dev --extra vault --extra aws --extra dns pyproject.toml -o requirements-dev.lock

# The reference pages, from the code; a test fails where they differ.
docs: .venv/.ready
	@$(PY) docs/reference/generate.py

clean:
	@rm -rf .venv .rotator-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
