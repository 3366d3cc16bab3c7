# Each target installs what it needs by itself. `make demo` and the lab tests need root.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help
help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock pyproject.toml
	@scripts/venv $(VENV)

.PHONY: venv
venv: $(VENV)/.installed ## the Python environment, as locked

.PHONY: host
host: ## what the lab needs on this machine
	@scripts/host-packages

.PHONY: lock
lock: venv ## lock the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --universal --generate-hashes --upgrade --no-header --no-annotate --python-version 3.11 \
		--all-extras --group dev pyproject.toml -o requirements.lock
	sed -i '1i # Every package by version and hash, from no index in particular. Made by `make lock`.' requirements.lock

.PHONY: lock-image
lock-image: venv ## lock OpenStack of the lab's image anew
	scripts/lock-openstack

.PHONY: docs
docs: venv ## the reference, from what the code says of itself
	@$(BIN)/python scripts/reference

.PHONY: check
check: venv ## lint, types, layers, unit tests: no root, no lab
	@scripts/lint $(BIN)
	$(BIN)/pytest -q -n 2 -m 'not lab'

.PHONY: test
test: venv host ## all tests but the long ones, with labs (root, Debian 12)
	@scripts/lint $(BIN)
	@# Each process has its own part (tests/conftest.py), so no share of the whole can be told.
	$(BIN)/pytest -n 2 --dist each -m 'not long' -o console_output_style=classic --durations=25

.PHONY: test-long
test-long: venv host ## what takes many minutes each: takeovers in a row, bad luck, the recipe
	$(BIN)/pytest -m long

.PHONY: bench
bench: venv host ## measure beside the peers: make bench NAME=agents (root, Debian 12)
	PYTHONPATH=tests $(BIN)/python benchmarks/$(subst -,_,$(or $(NAME),$(error say which: make bench NAME=agents))).py $(OPTIONS)

.PHONY: demo
demo: venv host ## a cluster loses its active network node and keeps its routers: with a cold spare, and with a twin
	@scripts/demo $(BIN)

.PHONY: recipe
recipe: venv host ## the recipe of docs/recipe.md, every command of it typed in a lab
	@scripts/recipe $(BIN)
