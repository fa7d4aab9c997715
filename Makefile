# make demo and make test need python3 (3.11 or newer), python3-venv, make and git; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test check site pictures faults bench lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

demo: setup
	$(BIN)/python -m fixtures.demo

test: setup
	$(BIN)/python -m pytest -n 2

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

# Real Hexo and Jekyll sites of the demo's archive: needs Node.js with npm, and jekyll.
site: setup
	$(BIN)/python -m fixtures.builders

# The README's pictures: needs chromium and the fonts of fonts-noto-cjk too.
pictures: setup
	$(BIN)/python -m fixtures.builders --pictures deploy

# Every fault at every third file operation of a crawl, and killed reruns.
faults: setup
	$(BIN)/python -m tests.faults --step 3
	$(BIN)/python -m tests.faults --step 11 --kinds kill --again 2

bench: setup
	$(BIN)/python -m benchmarks

fuzz: setup
	$(BIN)/python -m tests.fuzz $(FUZZ_SECONDS)

# Resolves requirements.in anew for every Python from 3.11 on, with hashes and without addresses.
lock: setup
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
		--generate-hashes --no-annotate --no-header -o requirements.lock requirements.in

clean:
	rm -rf $(VENV) demo-archive demo-sources .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
