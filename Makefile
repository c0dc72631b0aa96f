# Two commands: `make demo` and `make test`. Everything lives in .venv, data/ and out/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# For a CPU-only machine: make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=
# How many processes share the tests: one a core, but never more than this.
TESTERS ?= 4

.PHONY: demo run test check load kills sync doctor migrate clean

demo: $(VENV)/.ready
	$(BIN)/python -m bot demo

run: $(VENV)/.ready
	$(BIN)/python -m bot run

sync: $(VENV)/.ready
	$(BIN)/python -m bot sync

doctor: $(VENV)/.ready
	$(BIN)/python -m bot doctor

migrate: $(VENV)/.ready
	$(BIN)/python -m bot migrate

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n logical --maxprocesses $(TESTERS) --dist worksteal

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy bot models training migrations benchmarks tests
	$(BIN)/python -m pytest tests/test_imports.py

load: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.load

kills: $(VENV)/.ready-dev
	$(BIN)/python -m benchmarks.kills

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Ghostwriter needs Python 3.11 or newer; set PYTHON=python3.x."; exit 1; }
	@# Debian's Python cannot put pip into a venv without the package python3-venv; its own pip can.
	$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { $(PYTHON) -m venv --without-pip --clear $(VENV) \
		&& $(PYTHON) -m pip --python $(VENV)/bin/python install --quiet pip; } || \
		{ rm -rf $(VENV); echo "No .venv could be made; install python3-venv or python3-pip."; exit 1; }

$(VENV)/.ready: requirements.txt requirements.lock | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -r requirements.txt -c requirements.lock
	touch $@

$(VENV)/.ready-dev: requirements-dev.txt $(VENV)/.ready
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) -r requirements-dev.txt -c requirements.lock
	touch $@

clean:
	rm -rf $(VENV) out
