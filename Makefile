# Each target sets up what it needs: from a fresh clone, `make train` and `make test` just work.
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests run in so many processes, each of which takes a core and up to two GB.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# What an installed environment depends on; a change of one installs again.
DECLARED := setup.cfg pyproject.toml constraints.txt
USER := $(VENV)/.installed
DEVELOPER := $(VENV)/.installed-for-developers
DOCS := $(VENV)/.installed-for-docs

.DELETE_ON_ERROR:
.PHONY: .types help train test lint format test-slow test-gpu docs notebook bench constraints clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | column -t -s "$$(printf '\t')"

# Of a sample this small a third epoch costs little, and relations want it; see docs/measurements.md.
train: $(USER) ## train the embedded model on the bundled sample
	$(BIN)/extract train --plugin medical_ner --set epochs=3

test: lint ## run the linters and the tests
	$(PYTEST)

lint: $(DEVELOPER) .types ## run ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(DEVELOPER) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-slow: $(DEVELOPER) ## run the tests that take minutes, and look for new examples
	$(PYTEST) -m "slow and not gpu"
	HYPOTHESIS_PROFILE=explore $(PYTEST)

test-gpu: $(DEVELOPER) ## run the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

docs: $(DOCS) ## build the site of the docs in build/site; a broken link fails
	$(BIN)/sphinx-build -W --keep-going -q -b html -c docs -d build/doctrees . build/site

notebook: $(DEVELOPER) ## make the notebooks of the docs from their pages
	$(BIN)/python tools/notebook.py

bench: $(DEVELOPER) ## measure
	$(BIN)/python -m benchmarks

# Read from an environment that has what setup.cfg declares and nothing else.
constraints: ## pin the newest versions that setup.cfg allows
	rm -rf $(VENV)
	$(MAKE) $(BIN)/python
	$(BIN)/pip install -e '.[ability,test,dev,docs]'
	{ sed -n '/^#/p' constraints.txt; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.new
	mv constraints.new constraints.txt

clean: ## remove everything that is made
	rm -rf $(VENV) .types build dist *.egg-info .*_cache .hypothesis

$(USER): $(BIN)/python $(DECLARED)
	$(BIN)/pip install -c constraints.txt -e .
	@touch $@

$(DEVELOPER): $(BIN)/python $(DECLARED)
	$(BIN)/pip install -c constraints.txt -e '.[test,dev]'
	@touch $@ $(USER)

$(DOCS): $(BIN)/python $(DECLARED)
	$(BIN)/pip install -c constraints.txt -e '.[docs]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'fieldsmith needs Python 3.11 or newer; name one: make PYTHON=python3.12' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The folders under the names that they are imported by, for mypy.
.types:
	@mkdir -p $@
	@ln -sfn ../core $@/fieldsmith
	@ln -sfn ../plugins/arxiv_metadata $@/fieldsmith_arxiv_metadata
	@ln -sfn ../plugins/dcat_datasets $@/fieldsmith_dcat_datasets
	@ln -sfn ../plugins/medical_ner $@/fieldsmith_medical_ner
	@ln -sfn ../plugins/news_json $@/fieldsmith_news_json
