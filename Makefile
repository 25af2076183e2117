# make demo: sets up, then trains on the synthetic corpus.   make test: sets up, then tests.
# make bench: sets up with the peers, then times all and writes runs/benchmarks/report.md.
# Another Python: make test PYTHON=python3.13

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# What the benchmarks compare with; one that cannot be installed is left out of them.
PEERS := keras gensim torch fasttext

.PHONY: demo test lint bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/python -m experiments.imdb_learned --data synthetic
	$(BIN)/python -m experiments.few_reviews --data synthetic

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "jaxembed needs Python 3.11 or newer, this is %s: make PYTHON=python3.11" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/bench.stamp: $(VENV)/demo.stamp
	for peer in $(PEERS); do \
	  $(PIP) $$peer || echo "$$peer is left out: it cannot be installed here"; \
	done
	touch $@

clean:
	rm -rf .venv runs .mypy_cache .pytest_cache .ruff_cache .hypothesis
