# make start    set everything up and serve on http://localhost:4566 with the sample application deployed
# make test     set everything up and run every check
# make bench    the benchmarks, side by side in one run
# make lint     the static checks only
# make lock     resolve the dependencies anew (needs uv)

VENV := .venv
BIN := $(VENV)/bin
PORT ?= 4566
DATA ?= data

.PHONY: start test bench lint docs lock clean
.DELETE_ON_ERROR:

start: $(VENV)/.runtime
	@tools/start.sh $(BIN) $(PORT) $(DATA)

test: $(VENV)/.dev tests/node/node_modules/.installed lint
	@tools/need.sh node chromium chromedriver
	$(BIN)/pytest -n 2 --dist loadgroup

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/forecourt coverage | diff -u docs/coverage.md - || { echo "docs/coverage.md is not current: run make docs" >&2; exit 1; }
	$(BIN)/forecourt settings | diff -u docs/settings.md - || { echo "docs/settings.md is not current: run make docs" >&2; exit 1; }

docs: $(VENV)/.dev
	$(BIN)/forecourt coverage > docs/coverage.md
	$(BIN)/forecourt settings > docs/settings.md

bench: $(VENV)/.dev
	@tools/need.sh nginx wrk
	$(BIN)/python -m bench

lock:
	requirements/lock.sh

$(VENV)/.runtime: requirements/runtime.lock pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV) requirements/runtime.lock
	@touch $@

# The development lock holds everything of the runtime lock at the same versions.
$(VENV)/.dev: requirements/dev.lock pyproject.toml tools/venv.sh
	@tools/venv.sh $(VENV) requirements/dev.lock
	@touch $(VENV)/.runtime $@

tests/node/node_modules/.installed: tests/node/package.json tests/node/package-lock.json
	@tools/need.sh node npm
	cd tests/node && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

clean:
	rm -rf $(VENV) build tests/node/node_modules
