# Every target makes what it needs: a virtual environment in .venv with the project and its tools.
# `make demo` installs less than the others, so that a newcomer waits less.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The wheel as a user gets it, unpacked: what is type-checked and what the walls are checked on, because
# transports/ is part of the package only there.
TYPED := build/typed
SOURCES := .

.DEFAULT_GOAL := help
.PHONY: help demo test test-third-party lint format interop bench clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(VENV)/.demo  ## stream a picture from the built-in emulator, with a progress bar, into demo.png
	$(BIN)/nai-trio generate "1girl, cat ears, mountains at dusk" --emulator --steps 28 --seed 12345 -o demo.png

test: $(VENV)/.dev  ## run the tests; says at the end what it left out for want of a program
	$(BIN)/python -W error -m pytest --numprocesses auto

test-third-party: $(VENV)/.dev  ## run only the tests against programs of others; one that is missing is an error
	REQUIRE_THIRD_PARTY=1 $(BIN)/python -W error -m pytest tests/third_party

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

bench: $(VENV)/.dev  ## measure; prints a table
	$(BIN)/python benchmarks/request_memory.py
	$(BIN)/python benchmarks/tls_throughput.py
	$(BIN)/python benchmarks/parse_tapes.py

clean:  ## remove everything that these targets made
	rm -rf $(VENV) .interop build dist *.egg-info demo.png

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
