# Everything runs in a virtual environment of the checkout, made when first needed and remade when pyproject.toml
# changes. Needs make and Python 3.10 or newer, with uv or venv. PYTHON=python3.12 chooses another Python.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/made-with-$(subst /,-,$(PYTHON))
UV := $(shell command -v uv 2>/dev/null)
# Side by side; tests/conftest.py says in how many processes.
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal
FUZZ_SECONDS ?= 60
COMPILED := $(BIN)/python -c 'import sys, mqbridge; sys.exit(not mqbridge.COMPILED)'

.DEFAULT_GOAL := help
.PHONY: help demo test conformance bench fuzz docs lint build clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile

demo: build ## the same server on every loop that is installed, with clients in other processes
	@$(BIN)/python -m mqbridge demo

test: lint build ## the checks, then all tests, compiled (where possible) and interpreted
	$(PYTEST)
	@if $(COMPILED); then echo "MQBRIDGE_PURE=1 $(PYTEST)"; MQBRIDGE_PURE=1 $(PYTEST); fi

conformance: build ## pyzmq's own tests, with libzmq and with mqbridge as its backend
	$(BIN)/python build_support/pyzmq_conformance.py

bench: build $(STAMP)-bench ## the benchmarks, against pyzmq and others, with a picture
	@$(BIN)/python -m benchmarks

fuzz: build $(STAMP)-fuzz ## what hostile bytes do, for FUZZ_SECONDS (60) with each target, guided by coverage
	@$(BIN)/python -m fuzzing --seconds $(FUZZ_SECONDS)

docs: $(STAMP) $(STAMP)-docs ## the documentation as a site, in build/site; warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "look at it with: $(BIN)/python -m http.server --directory build/site"

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

# Without them the suite runs, too, and says what it has left out.
$(STAMP)-bench: $(STAMP)
ifdef UV
	$(UV) pip install --quiet --python $(BIN)/python --editable '.[bench]' || echo "going on without the extra bench" >&2
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' || \
	    echo "going on without the extra bench" >&2
endif
	@touch $@

$(STAMP)-docs: $(STAMP)
ifdef UV
	$(UV) pip install --quiet --python $(BIN)/python --editable '.[docs]'
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
endif
	@touch $@

# It has no wheel for every Python; then the fuzzer's own random changes are all there is.
$(STAMP)-fuzz: $(STAMP)
ifdef UV
	$(UV) pip install --quiet --only-binary atheris --python $(BIN)/python --editable '.[fuzz]' || \
	    echo "going on without atheris, which has no wheel for this Python" >&2
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris --editable '.[fuzz]' || \
	    echo "going on without atheris, which has no wheel for this Python" >&2
endif
	@touch $@
