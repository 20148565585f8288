# The commands of the project; CONTRIBUTING.md explains them. None needs root, a GPU, a hub or an account.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE ?= 1
export GRADIO_ANALYTICS_ENABLED := False

.PHONY: run setup weights test check format bench docs lock clean

run: setup
	$(BIN)/python app.py

setup: $(VENV)/.installed weights

$(VENV)/.installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

# Asks only for what is missing, so a second call takes no time and no network.
weights: $(VENV)/.installed
	$(BIN)/python -m studio models pull --default

# joe-us is optional for people, but its engine is tested on the real voice.
test: $(VENV)/.installed-dev weights
	$(BIN)/python -m studio models pull joe-us
	@$(BIN)/python tests/browser/find_chromium.py
	$(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m studio bench

docs: $(VENV)/.installed
	$(BIN)/python -m studio.parts docs/reference.md

# Pins every package; the index a machine happens to use stays out of the file.
lock: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements.txt requirements.in
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements.txt  # whichever build a machine has
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file requirements-dev.txt requirements-dev.in
	sed -i 's/^\(torch==[0-9.]*\)+cpu/\1/' requirements-dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
