# A fresh clone needs Python 3.11 or newer, git and make; `make test` installs the rest into .venv.
# Options: PYTHON=python3.12 picks the interpreter, ARGS="-k wheel" goes to pytest.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCHMARKS := $(wildcard tests/benchmarks/*.py)
NATIVE := src/ermlab/native/compile.py $(wildcard src/ermlab/native/*.[ch])

# The models are small: a process for each core is faster than threads that wait for each other.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install test demo lint bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

install: $(STAMP) ## create .venv and install the project into it, as pinned in constraints.txt

# A folder without a working pip is an interrupted or outdated .venv, and is made anew.
$(STAMP): pyproject.toml constraints.txt hatch_build.py $(NATIVE)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is not \
Python 3.11 or newer; name one that is: make PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV); the first time takes some minutes."
	@$(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check \
		-c constraints.txt -e '.[dev]'
	@touch $(STAMP)

# Each pytest process holds torch (0.3 GB), so there are at most eight. loadfile keeps the tests of
# one file in one process and in order: the README's commands build on each other, and the wheel is
# built once. (loadgroup has no effect with pytest 9.2 and xdist 3.8.)
test: $(STAMP) ## run the whole suite on all cores
	$(BIN)/python -m pytest -n auto --maxprocesses=8 --dist=loadfile --no-loadscope-reorder $(ARGS)

demo: $(STAMP) ## sweep the step size on the built-in data: a table, and a learning curve for each run
	$(BIN)/ermlab -m sweeps=step_size plot=true

lint: $(STAMP) ## check style, format and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(STAMP) ## measure the speed: every file in tests/benchmarks
	@test -n "$(BENCHMARKS)" || echo "tests/benchmarks holds no file yet"
	@set -e; for file in $(BENCHMARKS); do echo "== $$file"; $(BIN)/python "$$file"; done

clean: ## remove .venv, builds and caches; results in outputs/ and multirun/ stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f src/ermlab/native/*.so
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
