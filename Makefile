# Everything a person types. Each target makes what it needs; `make run` and `make test` work on a fresh clone.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --root-user-action=ignore -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run test test-long sanity setup lint types schema migrations diagrams screenshots secrets clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1\t/' | expand -t 20

run: $(VENV)/.web ## Install, migrate, load the demo project, start web and worker, print the URL and the accounts
	@exec $(BIN)/python manage.py up

test: $(VENV)/.dev ## Run every test, on each database and with each service that is reachable
	@$(BIN)/python -m tests.run $(ARGS)

test-long: $(VENV)/.dev ## As test, with the tests that take very long: before a release
	@TEST_LONG=1 $(BIN)/python -m tests.run $(ARGS)

sanity: $(VENV)/.dev ## PoP labels must help, and reversed ones hurt, in a world whose truth is known: minutes
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && HF_HUB_OFFLINE=1 \
	  $(BIN)/python -m training.study sanity --no-progress --out "$$folder"

setup: $(VENV)/.dev ## Install everything for development into .venv

lint: $(VENV)/.dev ## ruff (rules and format) and the doors between rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy .

schema: $(VENV)/.dev ## Validate the OpenAPI schema and write it to docs/openapi.yaml
	@mkdir -p var
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

migrations: $(VENV)/.dev ## Fail when a model changed without a migration
	$(BIN)/python manage.py makemigrations --check --dry-run

diagrams: $(VENV)/.web ## Rewrite the state diagrams in docs/architecture.md from the transition tables
	$(BIN)/python manage.py docs_diagrams

screenshots: $(VENV)/.dev ## Take the pictures in docs/images from the running program
	$(BIN)/python -m bench.screenshots

# The files are readable to the container's user; the folder is closed to everyone else on the host.
secrets: ## Make the secrets that docker compose reads; never overwrites one
	@mkdir -p -m 700 secrets
	@random() { head -c 48 /dev/urandom | base64 | tr -dc 'A-Za-z0-9'; }; set -eo noclobber; \
	  [ -e secrets/django_secret_key ] || echo "$$(random)$$(random)" >secrets/django_secret_key; \
	  [ -e secrets/postgres_password ] || random >secrets/postgres_password; \
	  [ -e secrets/database_url ] || \
	    echo "postgres://pop:$$(cat secrets/postgres_password)@postgres:5432/pop" >secrets/database_url
	@chmod 644 secrets/*; ls -l secrets

clean: ## Remove the virtual environment and caches; var/ (your data) stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info build

# --- the virtual environment -----------------------------------------------------------------------
$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then echo "PoP Studio needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; fi
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# A finished install leaves a stamp; it is repeated only when the dependencies change.
$(VENV)/.web: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PoP Studio (about two minutes the first time)"
	@$(PIP) -e '.[web]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing PoP Studio and its test tools (about two minutes the first time)"
	@$(PIP) -e '.[web,dev]'
	@touch $@ $(VENV)/.web
