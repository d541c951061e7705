# Tollgate. `make help` lists what there is; `make demo` and `make test` need nothing before them but Python and Java.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Two processes, each with a broker, a database and a Spark session of its own; tests/conftest.py says what goes where.
SIDE_BY_SIDE := -n 2 --dist loadscope --no-loadscope-reorder

# What is made once and again only when its sources change.
ENVIRONMENT := $(VENV)/environment.stamp
INSTALLED := $(VENV)/installed.stamp
JARS := .tollgate/jars/fetched.stamp

.PHONY: help setup check test prove fuzz demo bench up down clean coverage lock

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) $(JARS) ## Make the environment from the lock and fetch the jars

check: $(INSTALLED) ## Format, lint, types, import rules, contracts, tidiness
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_tidy.py tests/test_contracts.py

test: setup ## The tests, on a real broker and a real database; all of them also hold the floor of coverage
	@mkdir -p build
	@$(BIN)/python -m pytest --durations=15 $(if $(ARGS),$(ARGS),$(SIDE_BY_SIDE) --cov --cov-report=)

prove: setup ## The long tests: every job on a cluster, kills at every write, nights and months, maintenance, a million events priced twice, two years of an operator
	@$(BIN)/python -m pytest --durations=15 -m long $(ARGS)

fuzz: setup ## Five million damaged payloads through mediation; writes build/fuzz.json
	@$(BIN)/python -m pytest -q tests/mediation/test_fuzz.py --payloads 5000000 $(ARGS)

demo: setup ## From nothing to invoices on two fixed months; leaves lake and database to look at
	@$(BIN)/tollgate demo $(ARGS)

bench: setup ## Speed against named baselines; writes build/bench.json
	@$(BIN)/python -m benchmarks $(ARGS)

up: setup ## Start the local Kafka broker and PostgreSQL
	@$(BIN)/tollgate up

down: $(INSTALLED) ## Stop them
	@$(BIN)/tollgate down

clean: $(INSTALLED) ## Stop them and remove lake, topics, databases and build output
	@$(BIN)/tollgate clean
	@rm -rf build

coverage: $(INSTALLED) ## Write docs/coverage.md: which test proves which requirement
	@$(BIN)/python tests/coverage_matrix.py

lock: $(INSTALLED) ## Compile requirements.in into requirements.txt (needs uv on the path)
	@uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.10 \
		requirements.in -o requirements.txt

$(ENVIRONMENT): requirements.txt
	@python=$$(bash conf/find_python.sh $(PYTHON)) && bash conf/find_java.sh && \
	echo "environment: $(VENV) from $$python, some minutes the first time" && \
	"$$python" -m venv $(VENV) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@touch $@

$(INSTALLED): $(ENVIRONMENT) pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(JARS): $(INSTALLED) conf/jars.txt
	@$(BIN)/python -m tollgate.platform.jars
	@$(BIN)/python -m tollgate.platform.class_archive
	@mkdir -p $(@D) && touch $@
