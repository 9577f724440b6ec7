# Every target makes what it needs: a virtual environment in .venv with the project and its tools.
# `make demo` installs less than the others, so that a newcomer waits less.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FUZZ := .fuzz
SOAK_SECONDS ?= 600
# The wheel as a user gets it, unpacked: what is type-checked and what the walls are checked on, because
# transports/ is part of the package only there.
TYPED := build/typed
SOURCES := .

.DEFAULT_GOAL := help
.PHONY: help demo test test-third-party coverage soak fuzz lint format interop bench bench-quick bench-memory clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/.demo  ## stream a picture from the built-in emulator, with a progress bar, into demo.png
	$(BIN)/nai-trio generate "1girl, cat ears, mountains at dusk" --emulator --steps 28 --seed 12345 -o demo.png

test: $(VENV)/.dev  ## run the tests; says at the end what it left out for want of a program
	$(BIN)/python -W error -m pytest --numprocesses auto

test-third-party: $(VENV)/.dev  ## run only the tests against programs of others; one that is missing is an error
	REQUIRE_THIRD_PARTY=1 $(BIN)/python -W error -m pytest tests/third_party

coverage: $(VENV)/.dev  ## run the tests measured; fails where a promise about what they reach is broken
	@rm -rf build/coverage && mkdir -p build/coverage
	COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml COVERAGE_FILE=$(CURDIR)/build/coverage/data \
		PYTHONPATH=$(CURDIR)/tests/coverage $(BIN)/python -W error -m pytest -p contexts --numprocesses auto
	$(BIN)/coverage combine --quiet --data-file=build/coverage/data build/coverage
	$(BIN)/python tests/coverage/check.py build/coverage/data

soak: $(VENV)/.dev  ## ten minutes of generations with faults, 200 at once; then cancelling and cutting at every step
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[plots]"
	$(BIN)/python tests/soak/run.py --seconds $(SOAK_SECONDS) --plot build/soak.webp
	$(BIN)/python tests/soak/cancel_sweep.py
	$(BIN)/python tests/soak/cut_sweep.py --every 7

fuzz: $(FUZZ)/.ready  ## coverage-guided fuzzing of all that reads bytes: FUZZ_SECONDS each (60), FUZZ_TARGETS (all)
	$(FUZZ)/bin/python tests/fuzz/run.py --json build/fuzz.json

lint: $(VENV)/.dev typed  ## ruff, mypy --strict on the installed package, import-linter
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	cd build && MYPYPATH=typed ../$(BIN)/mypy --config-file ../pyproject.toml -p nai_trio
	$(BIN)/python docs/extract_examples.py build/examples
	cd build && MYPYPATH=typed ../$(BIN)/mypy --config-file ../pyproject.toml --allow-untyped-defs --allow-untyped-calls \
		examples/*.py ../docs/examples/*.py
	cd $(TYPED) && ../../$(BIN)/lint-imports --config ../../pyproject.toml

format: $(VENV)/.dev  ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

interop: $(VENV)/.dev  ## let other NovelAI clients stream from the emulator (installs them into .interop/)
	$(BIN)/python -W error -m pytest tests/interop

bench: $(VENV)/.dev  ## measure all against its targets, beside other clients; fills in docs/performance.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[plots]"
	$(BIN)/python benchmarks/run.py --json build/bench.json
	$(BIN)/python benchmarks/plots.py build/bench.json docs/performance
	$(BIN)/python benchmarks/page.py build/bench.json docs/performance.md

bench-quick: $(VENV)/.dev  ## the same in a minute, coarser, and leaves the page alone
	$(BIN)/python benchmarks/run.py --quick --json build/bench-quick.json

bench-memory: $(VENV)/.dev  ## what requests with pictures take, what TLS streams cost, what hostile answers take
	$(BIN)/python benchmarks/request_memory.py
	$(BIN)/python benchmarks/tls_throughput.py
	$(BIN)/python benchmarks/hostile_memory.py

clean:  ## remove everything that these targets made
	rm -rf $(VENV) $(FUZZ) .bench .interop build dist *.egg-info demo.png

.PHONY: typed
typed: $(VENV)/.dev
	@rm -rf build
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target $(TYPED) .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cli]"
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "setuptools>=77"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e ".[dev]"
	@touch $@ $(VENV)/.demo

# One of its own: atheris is a native library that nothing else needs, and not every Python has it; run.py says so.
$(FUZZ)/.ready: pyproject.toml
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[all]" coverage
	-$(FUZZ)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary atheris "atheris>=3.0"
	@touch $@
