# make install   the environment in .venv; make PYTHON=python3.12 install picks the interpreter
# make test      lint, types, tests
# make demo      distil MovieLens-100K into runs/demo
# make results what docs/results.md says, as far as it is missing or of other settings (STUDIES="ml-100k beauty" says
#                which, SEQDISTILL_LOGS=folder where the logs are that are not fetched): hours
# make bench     measure an outer step, its floor and how it grows: hours; fills docs/performance.md
# make bench-recbole  a training epoch and a full ranking against RecBole's, which gets an environment of its own
#                     (LOGS="ml-100k path/of/a/log" says on what)
# make bench-prepare  prepare a log of 100 million events, and MovieLens-1M against RecBole (LOG=path EVENTS=number)

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
.PHONY: install test demo results bench bench-recbole bench-prepare clean

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

results: install
	$(BIN)/python -m studies $(STUDIES)

BENCH := $(BIN)/python -m benchmarks
LOGS ?= ml-100k

$(VENV)/.bench: $(STAMP)
	@$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@

# A case that needs more memory than is free, or more time than --timeout, becomes a row that says so.
bench: $(VENV)/.bench
	$(BENCH).hypergradient --items 1300 3400 12000 --dim 32 64 --methods replay eager textbook unroll checkpoint
	$(BENCH).hypergradient --items 100000 1000000 --dim 64 --methods replay unroll --rounds 1 --timeout 1200 \
		--out results/bench/hypergradient-large.json
	$(BENCH).hypergradient --regime fresh --items 12000 100000 1000000 --dim 64 --methods eager --rounds 0 --memory 6 \
		--timeout 10000 --out results/bench/hypergradient-fresh.json
	$(BENCH).floor --items 1300 3400 12000 --dim 32 64
	$(BENCH).profile
	$(BENCH).growth
	$(BENCH).learner_step --threads 1
	$(BENCH).recommend
	$(BENCH).render

.venv-recbole/.installed: benchmarks/recbole_env.sh
	PYTHON=$(PYTHON) benchmarks/recbole_env.sh .venv-recbole
	@touch $@

bench-recbole: $(STAMP) .venv-recbole/.installed
	$(BENCH).epoch --rounds 3 --recbole-rounds 1 --timeout 7200 --datasets $(LOGS)
	$(BENCH).ranking
	$(BENCH).render

# The log by default is ml-1m, fetched from its owner; LOG=path/of/a/log takes another.
LOG ?= ml-1m
EVENTS ?= 100000000

bench-prepare: $(STAMP) .venv-recbole/.installed
	$(BENCH).prepare --events $(EVENTS) --timeout 3600
	$(BENCH).prepare_against --log $(LOG)
	$(BENCH).render

clean:
	rm -rf $(VENV) .venv-recbole build dist .pytest_cache .ruff_cache .hypothesis
