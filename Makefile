# Everything runs in a virtual environment of the checkout, made when first needed and remade when pyproject.toml
# changes. Needs make and Python 3.10 or newer, with uv or venv. PYTHON=python3.12 chooses another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/made-with-$(subst /,-,$(PYTHON))
UV := $(shell command -v uv 2>/dev/null)
COMPILED := $(BIN)/python -c 'import sys, mqbridge; sys.exit(not mqbridge.COMPILED)'

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint build clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile

demo: build ## the same server on every loop that is installed, with clients in other processes
	@$(BIN)/python examples/demo.py

test: lint build ## the checks, then all tests, compiled (where possible) and interpreted
	$(BIN)/python -m pytest
	@if $(COMPILED); then echo "MQBRIDGE_PURE=1 $(BIN)/python -m pytest"; MQBRIDGE_PURE=1 $(BIN)/python -m pytest; fi

bench: build ## the benchmarks, against pyzmq
	@$(BIN)/python -m benchmarks

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

build: $(STAMP) ## the hot modules that changed, where there is a C compiler
	@$(BIN)/python setup.py --quiet build_ext --inplace
	@if $(COMPILED); then echo "mqbridge is compiled"; else echo "mqbridge is interpreted"; fi

clean: ## remove everything that was made here
	rm -rf $(VENV) build dist *.egg-info .coverage* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find mqbridge -name '*.so' -delete

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "mqbridge needs Python 3.10 or newer; choose one with: make PYTHON=python3.12" >&2; exit 1; }
	@rm -rf $(VENV)
ifdef UV
	$(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --editable '.[test]'
else
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "cannot make a virtual environment; install python3-venv (apt-get install python3-venv) or uv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
endif
	@$(BIN)/python -m mqbridge.loops.build_pyuv --quiet || \
	    echo "going on without pyuv: its tests are skipped, those of gevent's libuv are not" >&2
	@touch $@
