# make demo | test | ui | live: each does all it needs, from a clean clone. PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
VENV ?= .venv
RELEASES ?=
PART ?=
TESTS ?=
BIN := $(VENV)/bin
EXPECTED := expected Python 3.11, 3.12 or 3.13: install one and name it, as in make setup PYTHON=python3.12
# A process for each processor, each with a mongod of its own; who has nothing left to do takes tests from the others.
PARALLEL := -q -n logical --maxprocesses 8 --dist worksteal --durations 10
.DEFAULT_GOAL := help
.PHONY: help setup demo live ui rooms check test test-all test-parallel test-resilience test-browser screenshots page-timing test-airflow compose-native bench lock clean

help: ## what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

setup: $(VENV)/.ready ## create .venv with everything, exactly as locked (other targets call it)

$(VENV)/.ready: requirements.lock requirements-dev.lock
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there; $(EXPECTED)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	  "$(PYTHON) is Python %d.%d; $(EXPECTED)" % v)'
	@echo "creating $(VENV): about 170 packages, a minute"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: setup ## both sources through real Airflow and MongoDB on this machine; RELEASES=DIR serves real notices
	@$(BIN)/python -m tools.demo $(if $(RELEASES),--releases "$(RELEASES)")

live: setup ## one bounded run of each source against the real services
	@$(BIN)/python -m tools.demo --live

ui: setup ## Airflow with its UI on the demo's data
	@$(BIN)/python -m tools.demo --ui

rooms: setup ## draw the rooms of the package and the imports between them; name every line that breaks their rule
	@$(BIN)/python -m tools.rooms

check: setup ## lint, format and types (seconds)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/python -m mypy

test: check ## what to run before each commit: check, and all tests but the slow ones (four minutes on two cores)
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-all: check test-parallel test-browser test-airflow ## everything CI runs: also the slow tests, the browser, the whole Airflow

test-parallel: setup
	@$(BIN)/python -m pytest $(PARALLEL) --ignore=tests/browser --ignore=tests/airflow $(TESTS)

test-airflow: setup ## reruns, clears, backfills and pauses, done to a whole Airflow at work (90 s)
	@$(BIN)/python -m pytest tests/airflow

test-browser: setup ## the page in Chromium before a whole Airflow (needs Debian's chromium and chromium-driver)
	@$(BIN)/python -m pytest tests/browser

screenshots: setup ## take docs/page-light.png and docs/page-dark.png anew
	@SCREENSHOTS=docs $(BIN)/python -m pytest tests/browser -k fits_its_window

page-timing: setup ## how long the page takes with a million contracts (two minutes)
	@PYTHONPATH=.:plugins $(BIN)/python -m tools.page_timing

compose-native: setup ## docker-compose.yaml's services as processes of this machine (needs PostgreSQL's server)
	@PYTHONPATH=.:plugins $(BIN)/python -m tools.compose_native

bench: setup ## what a run costs against its floors (PART=requests for one part); the table of docs/PERFORMANCE.md
	@PYTHONPATH=.:plugins $(BIN)/python -m tools.bench $(PART)

test-resilience: setup ## the long tests of faults, crashes and concurrency (SEED=n: another first seed)
	@$(BIN)/python -m pytest -q tests/resilience --long --seed $(or $(SEED),1)

lock: setup ## write the locks anew from requirements*.txt
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  requirements.txt -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  -c requirements.lock requirements-dev.txt -o requirements-dev.lock

clean: ## forget the demo's data and the environment
	@rm -rf .local $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
