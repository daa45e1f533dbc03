# Set-up happens once: it is repeated only when requirements.lock changes. 'make help' lists what there is.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed-from-lock
export PATH := $(CURDIR)/$(BIN):$(PATH)
export TF_CPP_MIN_LOG_LEVEL ?= 3
export DVC_NO_ANALYTICS := 1

# Tests at once, a process each; one of them uses a gigabyte. Also on two processors: a third of the time they wait.
AT_ONCE := -n 3 --dist worksteal

.PHONY: help repro test test-fast style lint format hooks docs cross-validate ablation bench yardsticks soak results hub lock
.DEFAULT_GOAL := repro

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

repro: $(STAMP) ## set up, and run the pipeline on the corpus of params.yaml (the demo at first)
	@git rev-parse --git-dir >/dev/null 2>&1 || { echo "make repro: no Git history here, and DVC needs one. Clone the project with git instead of copying its files, or run 'git init' first."; exit 1; }
	dvc repro
	@cat metrics/scores.md

test: $(STAMP) ## set up, and run all tests
	python -m pytest $(AT_ONCE) --cov --cov-report=term

test-fast: $(STAMP) ## the developer's inner loop: no pipeline, no training, no browser
	python -m pytest $(AT_ONCE) -m "not pipeline and not slow and not network and not training and not browser and not server"

HOOKS := $(shell git rev-parse --git-path hooks 2>/dev/null)
hooks: $(STAMP) ## check the style at every commit; types and tables at every push
	@mkdir -p $(HOOKS)
	@for hook in pre-commit pre-push; do \
		if [ -e $(HOOKS)/$$hook ] && ! grep -q no-print-directory $(HOOKS)/$$hook; then \
			echo "make hooks: $(HOOKS)/$$hook is somebody else's; move it away first."; exit 1; \
		fi; \
	done
	printf '#!/bin/sh\nexec make --no-print-directory style\n' > $(HOOKS)/pre-commit
	printf '#!/bin/sh\nexec make --no-print-directory lint\n' > $(HOOKS)/pre-push
	chmod +x $(HOOKS)/pre-commit $(HOOKS)/pre-push

style: $(STAMP) ## check the style
	ruff check .
	ruff format --check .

lint: style ## check the style, the types and the tables of the pages
	mypy
	python -m studies.pages --check

docs: $(STAMP) ## build the site into build/site; a broken link or an undocumented name stops it
	NO_MKDOCS_2_WARNING=1 mkdocs build --quiet

format: $(STAMP) ## put the style right
	ruff check --fix .
	ruff format .

cross-validate: $(STAMP) ## train every fold and study on corpus.dir, which should be CREMA-D
	dvc repro augment features_1d spectrograms
	python -m studies.cross_validate

ablation: $(STAMP) ## what each step adds or costs, on corpus.dir, which should be CREMA-D, and on RAVDESS in data/ravdess
	dvc repro augment features_1d split
	python -m studies.ablate --corpus data/ravdess --format ravdess

# The peers want other versions than the project in places: a lock is complete, so nothing is resolved. Newer peers want
# newer Pythons, so the newest is taken that is here.
BENCH_PYTHON ?= $(shell for python in python3.13 python3.12; do $$python -c '' 2>/dev/null && echo $$python && exit; done; echo $(PYTHON))
BENCH_STAMP := .venv-bench/.installed-from-lock
bench: $(BENCH_STAMP) ## measure speed, memory and caching against what people use; writes benchmarks/results.md
	.venv-bench/bin/python -m benchmarks

$(BENCH_STAMP): requirements.lock benchmarks/requirements.lock
	$(BENCH_PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/requirements.lock
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

yardsticks: $(BENCH_STAMP) ## eGeMAPS and ComParE with an SVM on the same folds, and on RAVDESS in data/ravdess
	.venv-bench/bin/python -m studies.yardsticks --corpus data/ravdess --format ravdess

soak: $(STAMP) ## five minutes of clients, bad uploads and stalled connections at once against 'ser app'
	python -m benchmarks.soak

results: $(STAMP) ## write the tables of the pages from results/, the bundle and the code
	python -m studies.pages

hub: $(STAMP) ## write what goes to the Hugging Face Hub into build/hub
	python -m studies.hub

$(STAMP): requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) found. Install Python 3.11 or newer, or name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old; this project needs Python 3.11 or newer. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "make: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu install the package python3-venv."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# Versions for every supported Python, without index addresses. Needs uv.
lock: ## write the lock files; needs uv
	uv pip compile pyproject.toml --universal --python-version 3.11 --extra pipeline --extra app --extra dask --extra s3 --extra docs --extra test --no-header --no-annotate --no-emit-index-url -o requirements.lock
	cp requirements.lock .constraints.txt
	printf 'soxr>=1\nlibrosa>=0.11\n' > .overrides.txt  # audiomentations wants both below 1, and works with 1
	uv pip compile benchmarks/requirements.in --universal --python-version 3.11 -c .constraints.txt --override .overrides.txt --no-header --no-annotate --no-emit-index-url -o benchmarks/requirements.lock
	rm .constraints.txt .overrides.txt
