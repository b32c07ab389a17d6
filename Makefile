# Two commands do everything on a fresh machine (python3.11, make, git): `make demo` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# DVC tells its makers about every call unless told not to.
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format frontend bench mutants clean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,imagenet,imagenet-lite1,imagenet-lite2]'
	@touch $(STAMP)

setup: $(STAMP) ## make .venv with everything installed (6.7 GB, a few minutes)

demo: setup ## run the pipeline on the generated streets and print the results
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/dvc repro
	$(BIN)/roundabout results

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## lint, type-check, and run the tests that take no more than minutes
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile -m "not slow and not cluster and not browser and not gpu"

format: setup ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --silent
	@touch $@

frontend: node_modules/.package-lock.json ## prettier and tsc over the page's JavaScript (needs Node 20 or later)
	npm run --silent check

bench: setup ## measure, print tables, write bench/results/
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.step
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.cache
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.memory
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.pipeline
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench.accuracy --name demo

mutants: setup ## change the code in small ways and list what no test notices (hours; MUTANTS="FILES" for less)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[mutants]'
	$(BIN)/python -m bench.mutants $(MUTANTS)

clean: ## delete what the pipeline made; DVC's cache stays
	rm -rf runs report data/prepared data/problems.txt .roundabout
