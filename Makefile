# make install   the environment in .venv; make PYTHON=python3.12 install picks the interpreter
# make test      lint, types, tests
# make demo      distil MovieLens-100K into runs/demo

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

# pyright is pinned in constraints.txt; it need not say that there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# Debian's python3 comes without ensurepip, and venv's own message about it is a page long.
define CHECK_PYTHON
{ $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "seqdistill needs Python 3.11 or newer; install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }; } && \
{ $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "$(PYTHON) cannot make virtual environments; on Debian: apt install python3-venv" >&2; exit 1; }; }
endef

.DELETE_ON_ERROR:
.PHONY: install test demo clean

install: $(STAMP)
	@:

$(STAMP): pyproject.toml constraints.txt
	@$(PIP) --version >/dev/null 2>&1 || { $(CHECK_PYTHON) && $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing into $(VENV); the first time takes a few minutes"
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pytest

demo: install
	$(BIN)/seqdistill distill ml-100k --out runs/demo

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
