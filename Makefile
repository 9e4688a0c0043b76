# Lockstep on a machine with Python 3.11 or newer, make and a C library. `make help` lists the targets.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)
VENV = .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/requirements.stamp
INSTALLED_DEMO = $(VENV)/requirements-demo.stamp
INSTALLED_DEV = $(VENV)/requirements-dev.stamp
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r
# Checks and tests neither read a .env nor touch the data of an installation in this folder.
APART = LOCKSTEP_ENV_FILE=/dev/null LOCKSTEP_DATA_DIR=var/test
EMBEDDED = DATABASE_URL= DATABASE_URL_FILE= REDIS_URL= REDIS_URL_FILE=
# One more than there are processors, since some tests wait for processes and servers.
PARALLEL ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n + 1 : 8)))
SEEDS ?= 3000

.PHONY: help install dev serve demo test test-embedded test-local check bench soak

help:
	@echo 'make serve          install, then run Lockstep here (PORT=8000)'
	@echo 'make demo [KEEP=1]  see it at work against a sandbox; KEEP=1 leaves it running'
	@echo 'make test           all tests; again with the PostgreSQL and Redis of this machine, if any'
	@echo 'make check          style, types, import rules, migrations, API schema, security settings'
	@echo 'make bench          how fast, compared with a floor taken in the same run; single parts with'
	@echo '                    ONLY="import write mesh rival", smaller ones with SIZES="1000 10000"'
	@echo 'make soak SEEDS=n   the simulator with more seeds'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'Lockstep needs Python 3.11 or newer with its venv module' \
		'(on Debian: python3-venv). Name one with: make PYTHON=/path/to/python3'; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements.txt | $(BIN)/python
	$(PIP_INSTALL) requirements.txt
	@touch $@

$(INSTALLED_DEMO): requirements-demo.txt $(INSTALLED)
	$(PIP_INSTALL) requirements-demo.txt
	@touch $@

$(INSTALLED_DEV): requirements-dev.txt $(INSTALLED)
	$(PIP_INSTALL) requirements-dev.txt
	@touch $@

install: $(INSTALLED)

dev: $(INSTALLED_DEV)

PORT ?= 8000
serve: install
	$(BIN)/python manage.py up --port $(PORT)

demo: $(INSTALLED_DEMO)
	$(BIN)/python manage.py demo $(if $(KEEP),--keep)

test: test-embedded test-local

test-embedded: dev
	$(APART) $(EMBEDDED) $(BIN)/python -m pytest -n $(PARALLEL)

test-local: dev
	$(APART) $(BIN)/python -m tests.local_servers -n $(PARALLEL)

check: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy manage.py calendars config conflicts integrations sync
	$(BIN)/lint-imports --no-logo
	$(APART) $(BIN)/python manage.py makemigrations --check --dry-run
	$(APART) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(APART) PUBLIC_URL=https://lockstep.example.com \
		$(BIN)/python manage.py check --deploy --fail-level WARNING

bench: dev
	$(APART) $(BIN)/python -m benchmarks.run $(if $(ONLY),--only $(ONLY)) $(if $(SIZES),--sizes $(SIZES))

soak: dev
	$(APART) $(EMBEDDED) $(BIN)/python -m benchmarks.soak --seeds $(SEEDS) --jobs $(PARALLEL)
