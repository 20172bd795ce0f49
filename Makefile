# The words a person types. Each target is one line that calls invoke; `make help` lists them.
#
#   make deploy-capecraft ALLOW_PROD=1
#
# ALLOW_PROD=1 on make's own command line counts as both production keys. From the environment it counts as one of
# them, from anywhere else as none (scripts/keys.sh). make turns every failure into exit code 2: the last line
# gives the reason.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BIN := .venv/bin
INVOKE := $(BIN)/invoke
READY := .venv/.ready
# A virtual environment contains its own path: after the folder was moved or copied, create it again.
MOVED := $(if $(READY),$(filter-out $(realpath .venv),$(file <$(READY))))

# Where ALLOW_PROD comes from, before the lines below export it: command, environment, file, …
override GIVEN := $(firstword $(origin ALLOW_PROD))

# Commands get values through the environment, exactly as typed: a quote in them cannot end a shell word, and
# `$(value …)` keeps make from expanding a $(shell …) in them.
TYPED := HEROKU_APP_NAME REL APPROVAL COMMIT KEEP EVIDENCE_DIR ALLOW_PROD ALLOW_PROD_DEPLOY BASE_URL message PYTHON \
  DH_NAMESPACE APP PLATFORMS TAG LATEST IMAGE
$(foreach name,$(TYPED),$(if $(filter undefined,$(origin $(name))),,$(eval override export $(name) := $$(value $(name)))))
export HEROKU_APP_NAME ?= autorisen
export REL ?=
export APPROVAL ?=
export COMMIT ?= HEAD
export KEEP ?=
export BASE_URL ?= http://127.0.0.1:8000
export message ?=
export PYTHON ?= python3
export DH_NAMESPACE ?= stinkie
export APP ?= autorisen
export PLATFORMS ?= linux/amd64,linux/arm64
export TAG ?=
export LATEST ?=
export IMAGE ?= autorisen:local

.PHONY: help setup rehearse test lint bench clean test-backend migrate-up migrate-revision smoke-local project-info \
  deploy-heroku deploy-autorisen deploy-staging deploy-capecraft heroku-deploy-stg heroku-deploy-prod promote-prod \
  require-prod heroku-run-migrate verify-autorisen verify-capecraft smoke-staging smoke-prod heroku-smoke-staging \
  heroku-smoke-prod certify-autorisen ship-autorisen ship-autorisen-log heroku-config-prod heroku-rollback status history anew \
  docker-build dockerhub-release dockerhub-build dockerhub-push dockerhub-build-push dockerhub-login dockerhub-logout

help:  ## show this list
	@awk -F ':.*## ' '/^# ---- / { gsub(/^# ---- | -+$$/, ""); printf "\n%s:\n", $$0 } \
	  /^[a-z-]+:.*## / { other = $$0; sub(/^[a-z-]+: */, "", other); sub(/ .*/, "", other); \
	    printf "  %-22s %s%s\n", $$1, other ~ /^[a-z]/ ? "= " other ", " : "", $$2 }' $(MAKEFILE_LIST)

# ---- this repository -------------------------------------------------------------------------------------

setup: $(READY)  ## create the virtual environment; every dependency is pinned by hash

$(READY): requirements.lock pyproject.toml scripts/setup.sh $(if $(MOVED),anew)
	@scripts/setup.sh

rehearse: $(READY)  ## rehearse a full release of HEAD on this machine (KEEP=1 leaves the sandbox running)
	@$(INVOKE) rehearse $${KEEP:+--keep}

test: $(READY)  ## lint, types and all tests
	@$(BIN)/nox -s lint types tests

lint: $(READY)  ## ruff and mypy
	@$(BIN)/nox -s lint types

bench: $(READY)  ## measure start-up and hot paths against public reference tools
	@$(BIN)/nox -s bench

clean:  ## stop the sandbox and remove generated files; journals and certificates stay
	@if $(INVOKE) --version >/dev/null 2>&1; then $(INVOKE) sandbox.down; fi
	@rm -rf .venv .nox .mypy_cache .ruff_cache .pytest_cache .hypothesis .release/rehearsal

# ---- the app, on this machine ---------------------------------------------------------------------------

test-backend: $(READY)  ## run the app's own tests on the package of a commit (COMMIT=)
	@$(INVOKE) test --commit="$$COMMIT"

smoke-local:  ## run the playbook's three checks against a local app (BASE_URL=http://127.0.0.1:8000)
	@scripts/smoke.sh "$$BASE_URL"

migrate-up: $(READY)  ## migrate the app's local database (DATABASE_URL)
	@cd app && ../$(BIN)/python -m alembic upgrade head

migrate-revision: $(READY)  ## create a new migration of the app (message="…")
	@[ -n "$$message" ] || { echo 'message is missing: make migrate-revision message="add a column"' >&2; exit 2; }
	@cd app && ../$(BIN)/python -m alembic revision -m "$$message"

project-info:  ## show the commit, the branch and uncommitted changes
	@git log -1 --format='commit   %H%nsubject  %s' && git status --short --branch

# ---- staging -----------------------------------------------------------------------------------------

ship-autorisen: $(READY)  ## run all seven stages for HEAD on staging
	@$(INVOKE) ship --env=autorisen --commit="$$COMMIT"

ship-autorisen-log: $(READY)  ## the same, with an evidence log in EVIDENCE_DIR
	@$(INVOKE) ship --env=autorisen --commit="$$COMMIT" --log

deploy-autorisen: $(READY)  ## deploy HEAD to staging
	@$(INVOKE) deploy --env=autorisen --commit="$$COMMIT"

deploy-heroku: deploy-autorisen  ## deploy HEAD to staging

deploy-staging: deploy-autorisen  ## deploy HEAD to staging

heroku-deploy-stg: deploy-autorisen  ## deploy HEAD to staging

certify-autorisen: $(READY)  ## check that staging is fit for production; write .release/autorisen_certified
	@$(INVOKE) certify --env=autorisen

# ---- production, with ALLOW_PROD=1 -------------------------------------------------------------------

deploy-capecraft: $(READY)  ## deploy HEAD to production (ALLOW_PROD=1)
	@. scripts/keys.sh $@ $(GIVEN); $(INVOKE) deploy --env=capecraft --commit="$$COMMIT"

heroku-deploy-prod: deploy-capecraft  ## deploy HEAD to production (ALLOW_PROD=1)

promote-prod: deploy-capecraft  ## deploy what staging certified to production (ALLOW_PROD=1)

heroku-config-prod: $(READY)  ## set the playbook's config vars on production (ALLOW_PROD=1)
	@. scripts/keys.sh $@ $(GIVEN); \
	  ENV=prod RUN_DB_MIGRATIONS_ON_STARTUP=0 DISABLE_RECAPTCHA=false $(INVOKE) config --env=capecraft --set ENV \
	  --set RUN_DB_MIGRATIONS_ON_STARTUP --set DISABLE_RECAPTCHA --why "the playbook's config vars"

heroku-rollback: $(READY)  ## roll production back (REL=vNNN ALLOW_PROD=1)
	@. scripts/keys.sh $@ $(GIVEN); $(INVOKE) rollback --env=capecraft --to="$$REL"

require-prod:  ## fail unless both production keys are given
	@. scripts/keys.sh $@ $(GIVEN); if [ "$${ALLOW_PROD-}" != 1 ] || [ "$${ALLOW_PROD_DEPLOY-}" != YES ]; then \
	  echo "production is locked: to unlock it, give ALLOW_PROD the value 1 on this command line" >&2; exit 2; fi

# ---- either environment (HEROKU_APP_NAME=autorisen) --------------------------------------------------------------

heroku-run-migrate: $(READY)  ## run pending migrations (HEROKU_APP_NAME=autorisen; production: ALLOW_PROD=1 APPROVAL=ref)
	@. scripts/keys.sh $@ $(GIVEN); $(INVOKE) migrate --env="$$HEROKU_APP_NAME" --approval="$$APPROVAL"

history: $(READY)  ## list what happened in an environment (HEROKU_APP_NAME=autorisen)
	@$(INVOKE) history --env="$$HEROKU_APP_NAME"

# ---- reports -----------------------------------------------------------------------------------------------

status: $(READY)  ## show what should run and what does run in each environment
	@$(INVOKE) status

verify-autorisen: $(READY)  ## compare staging with its journal: platform, app and database
	@$(INVOKE) verify --env=autorisen

verify-capecraft: $(READY)  ## compare production with its journal: platform, app and database
	@$(INVOKE) verify --env=capecraft

smoke-staging: $(READY)  ## run the checks of release.toml against staging
	@$(INVOKE) smoke --env=autorisen

smoke-prod: $(READY)  ## run the checks of release.toml against production
	@$(INVOKE) smoke --env=capecraft

heroku-smoke-staging: smoke-staging  ## run the checks of release.toml against staging

heroku-smoke-prod: smoke-prod  ## run the checks of release.toml against production

# ---- images ---------------------------------------------------------------------------------------------

docker-build: $(READY)  ## build a commit's image on this machine (IMAGE=autorisen:local COMMIT=)
	@$(INVOKE) dockerhub.local --commit="$$COMMIT" --image="$$IMAGE"

dockerhub-release: $(READY)  ## publish a commit's image for PLATFORMS under four tags (DH_NAMESPACE= APP= TAG=)
	@$(INVOKE) dockerhub.release --commit="$$COMMIT" --repository="$$DH_NAMESPACE/$$APP" --tag="$$TAG" --platforms="$$PLATFORMS" --latest="$$LATEST"

dockerhub-build: $(READY)  ## build a commit's image on this machine, tagged with its version and latest
	@$(INVOKE) dockerhub.build --commit="$$COMMIT" --repository="$$DH_NAMESPACE/$$APP" --tag="$$TAG"

dockerhub-push: $(READY)  ## publish a commit's image for this machine's platform
	@$(INVOKE) dockerhub.push --commit="$$COMMIT" --repository="$$DH_NAMESPACE/$$APP" --tag="$$TAG" --latest="$$LATEST"

dockerhub-build-push: dockerhub-push  ## build if needed, then publish

dockerhub-login: $(READY)  ## log in to the image registry (DOCKERHUB_USERNAME, DOCKERHUB_TOKEN)
	@$(INVOKE) dockerhub.login --repository="$$DH_NAMESPACE/$$APP"

dockerhub-logout: $(READY)  ## log out of the image registry
	@$(INVOKE) dockerhub.logout --repository="$$DH_NAMESPACE/$$APP"
