# Two commands on a fresh machine: `make up` and `make test`. Needs Python 3.11+ with venv, and the package registry.
UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
RUN := $(UV) run --frozen
# Without kept byte code, every process would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: trials up test check lint types imports unit stories test-browser bench soak histories format sync clean help

help:           ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

sync: $(if $(findstring .uv,$(UV)),.uv/bin/uv)
	@test -d .venv || echo "Installing packages into .venv; only the first time, and it may take a minute."
	@UV_COMPILE_BYTECODE=1 $(UV) sync --frozen --quiet

up: sync        ## run a whole installation on this machine (ARGS=--check: one release end to end, then exit)
	$(RUN) slipway up $(ARGS)

test: check     ## everything that must be green: lint, types, imports, all tests

check: lint types imports unit

lint: sync
	$(UV) lock --check --quiet
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) yamllint --strict docker-compose.yml examples

types: sync
	$(RUN) mypy

imports: sync
	$(RUN) lint-imports

unit: sync
	$(RUN) pytest -n 4 --dist loadfile --no-loadscope-reorder -m "not trial" $(ARGS)

trials: sync    ## the trials of agents and workers that are killed, cut off and upgraded: minutes of waiting
	$(RUN) pytest -m trial $(ARGS)

test-browser: sync ## the tests that need chromium (apt-get install chromium)
	$(RUN) pytest -m browser $(ARGS)

histories: sync ## record the histories that tests replay, as VERSION=...
	PYTHONPATH=tests $(RUN) python tests/histories/record.py $(VERSION)

soak: sync      ## the reliability trials at nightly amounts (ARGS="--seed 7 --amount-percent 10 --only vote_race")
	PYTHONPATH=tests $(RUN) python -m trials $(ARGS)

bench: sync     ## measure, as ratios in one run
	$(RUN) python -m bench $(ARGS)

format: sync    ## format and mend what the linter can
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

clean:          ## forget the local installation and all caches
	rm -rf .slipway .venv .uv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
