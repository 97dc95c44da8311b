# Everything from a bare machine: Python 3.11+, make and the package registries are enough.
#   make run     install and start the demo node
#   make test    install everything, extras and system packages included, and run every test
#   make check   format, lint, types, import contracts and the fast tests

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV = $(shell command -v uv || echo $(VENV)/bin/uv)
INSTALL = $(UV) pip install --quiet --python $(PY) --constraints requirements.lock --build-constraints requirements.lock
# Whole files go to as many processes as there are cores, up to four: each may start nodes, servers and databases.
SPREAD := -n logical --maxprocesses 4 --dist loadfile
DEPENDENCIES := pyproject.toml requirements.lock

.PHONY: help run demo test check fast lint format types contracts docs lock clean system

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

# The environment is made by uv; where uv is missing, pip brings it into the environment itself.
$(PY):
	@command -v uv >/dev/null && uv venv --quiet --seed --python $(PYTHON) $(VENV) \
	  || { $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install --quiet --disable-pip-version-check uv; }

$(VENV)/.run: $(DEPENDENCIES) | $(PY)
	@echo "installing phalanx into $(VENV)"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.all: $(DEPENDENCIES) | $(PY)
	@echo "installing phalanx, every extra and the development tools into $(VENV) (3 GB, about a minute)"
	@$(INSTALL) --editable '.[all,dev]'
	@touch $@ $(VENV)/.run

system:  ## install what the tests need of the operating system (Debian, root or sudo)
	@scripts/install-system-packages

run: $(VENV)/.run  ## install, then start a node on a replayed intrusion with its dashboard
	@$(VENV)/bin/phalanx demo $(ARGS)

demo: run

test: $(VENV)/.all system  ## install everything and run every test
	@$(PY) -m pytest $(or $(ARGS),$(SPREAD))

fast: $(VENV)/.all
	@$(PY) -m pytest -m "not slow and not postgres and not browser and not vendor" $(ARGS)

format: $(VENV)/.all  ## rewrite the code in house format
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

lint: $(VENV)/.all
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check .

types: $(VENV)/.all
	@$(VENV)/bin/mypy

contracts: $(VENV)/.all
	@$(VENV)/bin/lint-imports --no-cache

check: lint types contracts fast  ## what to run before every commit

docs: $(VENV)/.all  ## regenerate the reference pages and the requirement map
	@$(PY) scripts/generate_docs.py

lock: $(PY)  ## resolve the dependencies anew and pin them by hash
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --all-extras pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
