# The words a person types. Each target is one line that calls invoke; `make help` lists them.
#
#   make deploy-capecraft ALLOW_PROD=1
#
# ALLOW_PROD=1 on make's own command line is both keys of production. From the environment it is only one of
# them. make turns every failure into 2: the reason is on the last line.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
INVOKE := $(BIN)/invoke
READY := .venv/.ready

# Values go to commands through the environment, never through make's own expansion: no quote in them can end
# a shell word.
export HEROKU_APP_NAME ?= autorisen
export REL ?=
export APPROVAL ?=
export COMMIT ?= HEAD
export KEEP ?=
KEYS = $(if $(filter command,$(firstword $(origin ALLOW_PROD))),$(if $(filter-out 1,$(ALLOW_PROD)),,ALLOW_PROD_DEPLOY=YES))

.PHONY: help setup rehearse test lint bench faults deploy-heroku deploy-autorisen deploy-staging deploy-capecraft \
  heroku-deploy-stg heroku-deploy-prod heroku-run-migrate verify-autorisen verify-capecraft smoke-staging smoke-prod \
  certify-autorisen ship-autorisen ship-autorisen-log heroku-rollback test-backend status history clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- this repository -------------------------------------------------------------------------------------

setup: $(READY)  ## make the virtual environment with every dependency pinned by hash

$(READY): requirements.lock pyproject.toml scripts/setup.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh

rehearse: $(READY)  ## take HEAD down the whole road on this machine (KEEP=1 leaves the sandbox up)
	@$(INVOKE) rehearse $${KEEP:+--keep}

test: $(READY)  ## lint, types and all tests
	@$(BIN)/nox -s lint types tests

lint: $(READY)  ## ruff and mypy
	@$(BIN)/nox -s lint types

bench: $(READY)  ## measure start-up and the hot paths beside something public
	@$(BIN)/nox -s bench

clean:  ## end the sandbox and remove what can be made again; journals and certificates stay
	@if [ -x $(INVOKE) ]; then $(INVOKE) sandbox.down; fi
	@rm -rf .venv .nox .mypy_cache .ruff_cache .pytest_cache .hypothesis .release/rehearsal

# ---- the playbook ----------------------------------------------------------------------------------------

test-backend: $(READY)  ## run the app's own tests on the package of a commit (COMMIT=)
	@$(INVOKE) test --commit="$$COMMIT"

deploy-heroku: deploy-autorisen  ## deploy HEAD to staging

deploy-autorisen: $(READY)  ## deploy HEAD to staging
	@$(INVOKE) deploy --env=autorisen --commit="$$COMMIT"

deploy-staging heroku-deploy-stg: deploy-autorisen  ## deploy HEAD to staging

deploy-capecraft: $(READY)  ## deploy HEAD to production (ALLOW_PROD=1)
	@$(KEYS) $(INVOKE) deploy --env=capecraft --commit="$$COMMIT"

heroku-deploy-prod: deploy-capecraft  ## deploy HEAD to production (ALLOW_PROD=1)

heroku-run-migrate: $(READY)  ## run pending migrations (HEROKU_APP_NAME=autorisen; production: ALLOW_PROD=1 APPROVAL=ref)
	@$(KEYS) $(INVOKE) migrate --env="$$HEROKU_APP_NAME" --approval="$$APPROVAL"

verify-autorisen: $(READY)  ## compare staging's platform, app and database with the journal
	@$(INVOKE) verify --env=autorisen

verify-capecraft: $(READY)  ## compare production's platform, app and database with the journal
	@$(INVOKE) verify --env=capecraft

smoke-staging: $(READY)  ## ask staging the checks of release.toml
	@$(INVOKE) smoke --env=autorisen

smoke-prod: $(READY)  ## ask production the checks of release.toml
	@$(INVOKE) smoke --env=capecraft

certify-autorisen: $(READY)  ## prove that staging is fit for production, write .release/autorisen_certified
	@$(INVOKE) certify --env=autorisen

ship-autorisen: $(READY)  ## test, build, deploy, migrate and verify HEAD on staging
	@$(INVOKE) ship --env=autorisen --commit="$$COMMIT"

ship-autorisen-log: $(READY)  ## the same, with an evidence log in EVIDENCE_DIR
	@$(INVOKE) ship --env=autorisen --commit="$$COMMIT" --log

heroku-rollback: $(READY)  ## roll production back (REL=vNNN ALLOW_PROD=1)
	@$(KEYS) $(INVOKE) rollback --env=capecraft --to="$$REL"

status: $(READY)  ## what should run where, what does
	@$(INVOKE) status

history: $(READY)  ## what happened in an environment (HEROKU_APP_NAME=autorisen)
	@$(INVOKE) history --env="$$HEROKU_APP_NAME"
