# Every target makes .venv itself when it is absent or older than pyproject.toml.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := .venv-tools
THREADS ?= 2
# Threads that spin while they wait make a small network many times slower on shared cores, where
# tests and demo often run. On idle cores spinning is a quarter faster: benchmarks keep it.
demo test test-hostile: export OMP_WAIT_POLICY ?= PASSIVE
# One thread for each of pytest's processes; how many processes: make test JOBS=2.
JOBS ?= auto
test test-hostile: export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-hostile test-tools check bench gpu-check docs release-check clean

demo: $(STAMP)  ## label, train, export, verify and predict on the drawn world
	$(BIN)/cdul-edge demo --out demo-out --force

test: $(STAMP)  ## the default test suite: no GPU, no network
	$(BIN)/python -m pytest -q -n $(JOBS) --maxprocesses 8 --dist loadfile

test-hostile: $(STAMP)  ## the same suite with other consoles, paths, threads and arithmetic
	$(BIN)/python -m pytest -q -m slow tests/test_hostile_environment.py -k "$(ENVIRONMENT)"

# Only files that have such tests: this environment lacks what others import.
test-tools: $(TOOLS)/.installed  ## the tests of packages that need an environment of their own
	$(TOOLS)/bin/python -m pytest -q -m tools $$(grep -rl --include='test_*.py' 'mark\.tools' tests)

check: $(STAMP)  ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(STAMP)  ## every benchmark on this machine; writes benchmarks/results/*.json
	$(BIN)/python -m benchmarks --threads $(THREADS)

# A lent GPU often comes with torch and without a network: `make gpu-check PYTHON=python3` takes that
# Python as it is and makes no .venv. Options: `make gpu-check GPU_CHECK="--minutes 4"`.
GIVEN_PYTHON := $(filter-out file default undefined,$(origin PYTHON))
GIVEN_PATH := $(PYTHONPATH)
gpu-check: export PYTHONPATH = $(CURDIR):$(CURDIR)/export:$(CURDIR)/calibration:$(CURDIR)/runtime:$(GIVEN_PATH)
gpu-check: $(if $(GIVEN_PYTHON),,$(STAMP))  ## prove an NVIDIA GPU; writes benchmarks/results/gpu/*.json
	$(if $(GIVEN_PYTHON),$(PYTHON),$(BIN)/python) -m benchmarks.gpu $(GPU_CHECK)

docs: $(VENV)/.docs  ## the documentation and API reference, into build/docs; offline, strict
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --site-dir build/docs
	@! grep -rnoE '<(link|script|img)[^>]*(href|src)="?https?:[^> ]*' build/docs --include='*.html' \
	  || { echo "the pages above fetch from the network" >&2; exit 1; }

# The extras to install in fresh environments: `make release-check EXTRAS="none cpu"`.
EXTRAS ?= train none cpu calibrate gpu rtx trt
release-check: $(VENV)/.release  ## build, install, and try the packages as a user would get them
	$(BIN)/python scripts/release_check.py --extras $(EXTRAS)

$(TOOLS)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[train]" --group tools
	touch $@

$(VENV)/.docs $(VENV)/.release: $(VENV)/.%: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group $*
	touch $@

clean:  ## what the targets above made
	rm -rf $(VENV) $(TOOLS) demo-out build dist .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$(PYTHON) is older than 3.10: call make with PYTHON=python3.11 or newer" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[train]" --group dev
	touch $@
