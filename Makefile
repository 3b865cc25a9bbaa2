# Everything is installed into .venv, with the versions of constraints.txt, and again only when pyproject.toml or
# constraints.txt have changed. A .venv that is there already is used as it is.
#
#   ARGS="-k grid"       further arguments for pytest (make test) or giqa quickstart (make quickstart); without any the
#                        whole suite runs, in two processes
#   PYTHON=python3.12    the Python (3.11 or newer) to make .venv with
#   PIP_ARGS="..."       further arguments for pip. On Linux PyPI's torch brings the CUDA libraries (some GB); without
#                        a GPU, PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" takes the small one.

PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
# What pip says goes into .venv/pip.log: its end is shown when pip fails, its errors are shown even when it does not.
PIP = $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt $(PIP_ARGS)
LOGGED = >.venv/pip.log 2>&1 || { tail -n 40 .venv/pip.log; echo "make: pip failed, see .venv/pip.log"; exit 1; } >&2; \
    grep '^ERROR' .venv/pip.log >&2 || true

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart test lint types docs format clean

help:  ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

quickstart: .venv/.stamp-quickstart  ## install, then run the main job: photos, dataset, tuning, metrics, report
	@$(BIN)/giqa quickstart $(ARGS)

test: .venv/.stamp-dev  ## install, then run the whole test suite
	@$(BIN)/python -m pytest $(if $(ARGS),$(ARGS),--numprocesses 2 --dist loadfile)

lint: .venv/.stamp-dev  ## ruff: rules and layout
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.stamp-dev  ## mypy, strict, on src
	@$(BIN)/mypy

docs: .venv/.stamp-dev  ## build the documentation's site into build/site; warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: .venv/.stamp-dev  ## let ruff lay out the code and mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:  ## remove .venv and all caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "make: $(PYTHON) is not Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv

# Each stamp stands for one set of extras; [dev] holds all of [quickstart], so its stamp makes both.
.venv/.stamp-quickstart: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing giqa-hf into .venv (the first time this takes a few minutes)"
	@$(PIP) --editable '.[quickstart]' $(LOGGED)
	@touch $@

.venv/.stamp-dev: pyproject.toml constraints.txt tests/app/requirements.txt | $(BIN)/python
	@echo "installing giqa-hf and its developers' tools into .venv (the first time this takes a few minutes)"
	@$(PIP) --editable '.[quickstart,dev]' $(LOGGED)
	@$(PIP) --no-deps --requirement tests/app/requirements.txt $(LOGGED)
	@touch .venv/.stamp-quickstart $@
