# make demo: the main job.  make test: all tests.  Both do all set-up on a machine with Python 3.11-3.13 and make.

# The first interpreter that is new enough and not too new for PoreSpy.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INSTALLED := $(VENV)/installed
TOOLS := $(VENV)/tools-installed
PEERS := .venv-peers

# The environment of a Graphcore host, without its SDK.
IPU_PYTHON ?= $(shell for p in python3.8 $$HOME/.pyenv/versions/3.8.*/bin/python; do \
	$$p -c '' 2>/dev/null && echo $$p && break; done)
IPU_VENV ?= .venv-ipu-host
IPU_INSTALLED := $(IPU_VENV)/installed

.PHONY: demo test test-ipu-host quick check bench bench-peers docs clean

demo: $(INSTALLED)
	@test -e demo/campaign.yaml || $(BIN)/ionscreen init demo
	$(BIN)/ionscreen run demo/campaign.yaml

# Two files at a time, for two cores; what the tests of a file share is made once.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What runs on a Graphcore host, under its Python 3.8 and torch 2.0.1 (4 GB with its CUDA libraries; the CPU is used).
test-ipu-host: $(IPU_INSTALLED)
	$(IPU_VENV)/bin/python -m pytest -m "not slow" tests/datasets tests/surrogate

# The tests that need no more than seconds each.
quick: $(INSTALLED)
	$(BIN)/python -m pytest -m "not slow"

check: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	scripts/namespace
	$(BIN)/mypy

bench: $(INSTALLED)
	$(BIN)/python benchmarks/real_images.py
	$(BIN)/python benchmarks/campaign.py

# The solver against its peers, in an environment of their own; hours, unless PEERS_OPTIONS="--quick" or the like.
bench-peers: $(PEERS)/installed
	$(PEERS)/bin/python benchmarks/solver_vs_peers.py $(PEERS_OPTIONS)

$(PEERS)/installed: setup.cfg benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -e . -r benchmarks/peers.txt
	@# Comes as C++ sources and needs Boost's headers; if it does not build, the benchmark leaves it out.
	-$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation pyamgcl==1.0.0.post4
	@touch $@

# The docstrings as HTML pages, in build/docs.
docs: $(TOOLS)
	$(BIN)/pdoc --docformat numpy --output-directory build/docs \
		ionscreen.datasets ionscreen.pipeline ionscreen.surrogate ionscreen.workflows

$(INSTALLED): setup.cfg constraints.txt
	@test -n "$(PYTHON)" || { echo "ionscreen needs Python 3.11, 3.12 or 3.13 on the PATH (or make PYTHON=/path/to/it)."; exit 1; }
	@echo "Setting up $(VENV) (a few minutes the first time) ..."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@# torch first and pinned: otherwise what depends on it may pull in gigabytes of CUDA.
	$(PIP) torch
	$(PIP) -e .[test]
	@touch $@

$(TOOLS): $(INSTALLED)
	$(PIP) -e .[dev]
	@touch $@

$(IPU_INSTALLED): setup.cfg constraints-ipu-host.txt
	@test -n "$(IPU_PYTHON)" || { echo "The IPU host's tests need Python 3.8 (or make IPU_PYTHON=/path/to/it)."; exit 1; }
	@echo "Setting up $(IPU_VENV) ..."
	$(IPU_PYTHON) -m venv $(IPU_VENV)
	$(IPU_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(IPU_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-ipu-host.txt \
		torch scipy pytest pytest-timeout hypothesis -e .
	@touch $@

clean:
	rm -rf build demo *.egg-info
