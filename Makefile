# make repro  set up, and run the pipeline on the demo corpus
# make test   set up, and run the tests
# make cross-validate  train every fold and study on corpus.dir, which should be CREMA-D
# make ablation  what each step adds or costs, by 'dvc exp run'
# make bench     measure speed, memory and caching against what people use instead; writes benchmarks/results.md
# make soak      five minutes of clients, bad uploads and stalled connections at once against 'ser app'
# make results  write the tables of README.md from results/crema-d and the package's bundle
# Set-up happens once: it is repeated only when requirements.lock changes.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed-from-lock
export PATH := $(CURDIR)/$(BIN):$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 3
export DVC_NO_ANALYTICS := 1

.PHONY: repro test lint format cross-validate ablation bench soak results lock
.DEFAULT_GOAL := repro

repro: $(STAMP)
	@git rev-parse --git-dir >/dev/null 2>&1 || { echo "make repro: no Git history here, and DVC needs one. Clone the project with git instead of copying its files, or run 'git init' first."; exit 1; }
	dvc repro
	@cat metrics/scores.md

test: $(STAMP)
	python -m pytest

lint: $(STAMP)
	ruff check .
	ruff format --check .

format: $(STAMP)
	ruff check --fix .
	ruff format .

cross-validate: $(STAMP)
	dvc repro augment features_1d spectrograms
	python -m studies.cross_validate

ablation: $(STAMP)
	python -m studies.ablate

# The peers want other versions than the project in places: a lock is complete, so nothing is resolved.
BENCH_STAMP := .venv-bench/.installed-from-lock
bench: $(BENCH_STAMP)
	.venv-bench/bin/python -m benchmarks

$(BENCH_STAMP): requirements.lock benchmarks/requirements.lock
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/requirements.lock
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

soak: $(STAMP)
	python -m benchmarks.soak

results: $(STAMP)
	python -m studies.pages

$(STAMP): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) found. Install Python 3.11 or newer, or name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old; this project needs Python 3.11 or newer. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "make: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install the package python3-venv."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# Versions for every supported Python, without index addresses. Needs uv.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --extra pipeline --extra app --extra dask --extra s3 --extra test --no-header --no-annotate --no-emit-index-url -o requirements.lock
	grep -v '^soxr' requirements.lock > .constraints.txt  # audiomentations wants soxr below 1, and works with 1
	echo 'soxr>=1' > .overrides.txt
	uv pip compile benchmarks/requirements.in --python-version 3.11 -c .constraints.txt --override .overrides.txt --no-header --no-annotate --no-emit-index-url -o benchmarks/requirements.lock
	rm .constraints.txt .overrides.txt
