# portguard: everything from a fresh clone. Needs Python 3.11 or newer and make; for speed, a C compiler.

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV := .venv
COMPILED := .venv-compiled
TRAINED := .venv-trained
PROFILE := $(CURDIR)/.profile
# Most of a test's time is waiting, so there are more of them at once than cores; a file's tests stay in one process.
PARALLEL ?= -n 3 --dist loadfile --no-loadscope-reorder
NODE := tests/e2e/node_modules/.package-lock.json
SOURCES := $(shell find portguard -name '*.py' -o -name '*.csv' -o -name '*.tsv' -o -name '*.jsonl')

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Images of Python often set it. A test starts hundreds of processes, and each would compile all of portguard again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test quick test-compiled lint bench evaluate wheel trained clean

help:
	@echo 'make demo           the whole thing at work on this machine: half a minute, one or two the first time'
	@echo 'make test           all tests, interpreted'
	@echo 'make quick          the tests without end-to-end and slow ones, property tests with fewer examples'
	@echo 'make test-compiled  all tests against an installed, compiled wheel'
	@echo 'make lint           ruff and mypy'
	@echo 'make wheel          a wheel in dist/, compiled if there is a C compiler'
	@echo 'make trained        a wheel in dist/, compiled for what traffic does (GCC): the fastest there is'
	@echo 'make bench          what is claimed about speed, measured (nine minutes)'
	@echo 'make evaluate       how well texts and disguises are told apart, in tables'
	@echo 'make clean          removes what these made'

demo: $(VENV)/ready
	$(VENV)/bin/portguard demo

test: $(VENV)/ready node
	$(VENV)/bin/python -m pytest $(PARALLEL) $(ARGS)

# Schemathesis makes its cases, all of them slow ones, when they are collected, in each process again.
quick: $(VENV)/ready
	$(VENV)/bin/python -m pytest -n 3 --ignore=tests/e2e --ignore=tests/admin/test_schemathesis.py -m 'not slow' \
		--hypothesis-profile=quick $(ARGS)

# -P and PYTHONSAFEPATH: neither the tests nor the processes they start may find the sources in the current folder.
test-compiled: $(COMPILED)/ready node
	PORTGUARD_FLAVOUR=compiled PYTHONSAFEPATH=1 $(COMPILED)/bin/python -P -m pytest $(PARALLEL) $(ARGS)

lint: $(VENV)/ready
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

# Nine minutes, on two cores that nobody else needs; node-smpp is left out where npm cannot get it.
bench: $(TRAINED)/ready
	-@$(MAKE) --no-print-directory node
	$(TRAINED)/bin/python benchmarks/line_rate.py --budget 540 --seconds 0.8 --results benchmarks/results --readme $(ARGS)

evaluate: $(COMPILED)/ready
	$(COMPILED)/bin/python benchmarks/text.py --json benchmarks/results/text.json $(ARGS)

wheel: $(VENV)/ready
	rm -rf build dist
	$(VENV)/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist $(WHEEL) .
	rm -rf build
	@ls dist/*.whl
	@if $(VENV)/bin/python -m zipfile --list dist/*.whl | grep __mypyc >/dev/null; then echo 'compiled'; \
		else echo 'INTERPRETED, for want of a C compiler or Python.h'; fi

# Twice: a library that counts which ways are taken while traffic passes it, then one that is laid out by that. With the
# tools of .venv, since a profile fits only what is compiled from the same paths.
trained: $(TRAINED)/ready

$(TRAINED)/ready: pyproject.toml $(SOURCES) benchmarks/training.py | $(VENV)/ready
	rm -rf $(TRAINED) $(PROFILE)
	mkdir $(PROFILE)
	$(PYTHON) -m venv $(TRAINED)
	$(call profiled)
	$(TRAINED)/bin/python -m pip install --quiet "$$(ls dist/*.whl)[test]"
	@rm -rf dist # nobody should install one that counts
	$(TRAINED)/bin/python benchmarks/training.py
	@test -n "$$(ls $(PROFILE)/*.gcda 2>/dev/null)" \
		|| { echo 'the compiler left no profile: make trained needs GCC (CC=gcc), make wheel any compiler'; exit 1; }
	$(call profiled)
	$(TRAINED)/bin/python -m pip install --quiet --no-deps --force-reinstall dist/*.whl
	rm -rf $(PROFILE)
	touch $@

profiled = PORTGUARD_BUILD=compiled PORTGUARD_PROFILE=$(PROFILE) $(MAKE) wheel WHEEL=--no-build-isolation

clean:
	rm -rf build dist *.egg-info $(VENV) $(COMPILED) $(TRAINED) $(PROFILE) tests/e2e/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/ready: pyproject.toml portguard/_build.py
	@test -n '$(PYTHON)' || { echo 'portguard needs Python 3.11 or newer; none was found'; exit 1; }
	$(PYTHON) -m venv $(VENV)
	PORTGUARD_BUILD=interpreted $(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

$(COMPILED)/ready: pyproject.toml $(SOURCES) | $(VENV)/ready
	rm -rf $(COMPILED)
	PORTGUARD_BUILD=compiled $(MAKE) wheel
	$(PYTHON) -m venv $(COMPILED)
	$(COMPILED)/bin/python -m pip install --quiet "$$(ls dist/*.whl)[test]"
	touch $@

# The clients and the server of node-smpp that tests/e2e drives; without npm those tests are skipped.
.PHONY: node
node:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NODE); fi

$(NODE): tests/e2e/package.json tests/e2e/package-lock.json
	npm ci --prefix tests/e2e --no-audit --no-fund
	touch $@
