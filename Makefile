# The words a person types. Each target is one line that calls invoke; `make help` lists them.
#
#   make deploy-capecraft ALLOW_PROD=1
#
# ALLOW_PROD=1 on make's own command line is both keys of production. From the environment it is only one of
# them, and from anywhere else it is none (scripts/keys.sh). make turns every failure into 2: the reason is on the
# last line.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

BIN := .venv/bin
INVOKE := $(BIN)/invoke
READY := .venv/.ready
# A virtual environment knows its own path: in a folder that was moved or copied it is made anew.
MOVED := $(if $(READY),$(filter-out $(realpath .venv),$(file <$(READY))))

# Where ALLOW_PROD comes from, before the lines below export it: command, environment, file, …
override GIVEN := $(firstword $(origin ALLOW_PROD))

# Values reach commands through the environment and as they were typed: no quote in them ends a shell word, and
# `$(value …)` keeps make from expanding a $(shell …) in them.
SAID := HEROKU_APP_NAME REL APPROVAL COMMIT KEEP EVIDENCE_DIR ALLOW_PROD ALLOW_PROD_DEPLOY BASE_URL message PYTHON \
  DH_NAMESPACE APP PLATFORMS TAG LATEST IMAGE
$(foreach name,$(SAID),$(if $(filter undefined,$(origin $(name))),,$(eval override export $(name) := $$(value $(name)))))
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

setup: $(READY)  ## make the virtual environment with every dependency pinned by hash

$(READY): requirements.lock pyproject.toml scripts/setup.sh $(if $(MOVED),anew)
	@scripts/setup.sh

rehearse: $(READY)  ## take HEAD down the whole road on this machine (KEEP=1 leaves the sandbox up)
	@$(INVOKE) rehearse $${KEEP:+--keep}

test: $(READY)  ## lint, types and all tests
	@$(BIN)/nox -s lint types tests

lint: $(READY)  ## ruff and mypy
	@$(BIN)/nox -s lint types

bench: $(READY)  ## measure start-up and the hot paths beside something public
	@$(BIN)/nox -s bench

clean:  ## end the sandbox and remove what can be made again; journals and certificates stay
	@if $(INVOKE) --version >/dev/null 2>&1; then $(INVOKE) sandbox.down; fi
	@rm -rf .venv .nox .mypy_cache .ruff_cache .pytest_cache .hypothesis .release/rehearsal

# ---- the app, on this machine ---------------------------------------------------------------------------

test-backend: $(READY)  ## run the app's own tests on the package of a commit (COMMIT=)
	@$(INVOKE) test --commit="$$COMMIT"

smoke-local:  ## ask an app that runs here the three checks of the playbook (BASE_URL=http://127.0.0.1:8000)
	@scripts/smoke.sh "$$BASE_URL"

migrate-up: $(READY)  ## migrate the app's local database (DATABASE_URL)
	@cd app && ../$(BIN)/python -m alembic upgrade head

migrate-revision: $(READY)  ## begin a new migration of the app (message="…")
	@[ -n "$$message" ] || { echo 'say what it does: make migrate-revision message="add a column"' >&2; exit 2; }
	@cd app && ../$(BIN)/python -m alembic revision -m "$$message"

project-info:  ## the commit, the branch and what is not committed
	@git log -1 --format='commit   %H%nsubject  %s' && git status --short --branch

# ---- to staging -----------------------------------------------------------------------------------------

ship-autorisen: $(READY)  ## take HEAD through all seven stages, on staging
	@$(INVOKE) ship --env=autorisen --commit="$$COMMIT"

ship-autorisen-log: $(READY)  ## the same, with an evidence log in EVIDENCE_DIR
	@$(INVOKE) ship --env=autorisen --commit="$$COMMIT" --log

deploy-autorisen: $(READY)  ## deploy HEAD to staging
	@$(INVOKE) deploy --env=autorisen --commit="$$COMMIT"

deploy-heroku: deploy-autorisen  ## deploy HEAD to staging

deploy-staging: deploy-autorisen  ## deploy HEAD to staging

heroku-deploy-stg: deploy-autorisen  ## deploy HEAD to staging

certify-autorisen: $(READY)  ## prove that staging is fit for production, write .release/autorisen_certified
	@$(INVOKE) certify --env=autorisen

# ---- to production, with ALLOW_PROD=1 -------------------------------------------------------------------

deploy-capecraft: $(READY)  ## deploy HEAD to production (ALLOW_PROD=1)
	@. scripts/keys.sh $@ $(GIVEN); $(INVOKE) deploy --env=capecraft --commit="$$COMMIT"

heroku-deploy-prod: deploy-capecraft  ## deploy HEAD to production (ALLOW_PROD=1)

promote-prod: deploy-capecraft  ## what staging certified goes to production (ALLOW_PROD=1)

heroku-config-prod: $(READY)  ## the playbook's config vars of production (ALLOW_PROD=1)
	@. scripts/keys.sh $@ $(GIVEN); \
	  ENV=prod RUN_DB_MIGRATIONS_ON_STARTUP=0 DISABLE_RECAPTCHA=false $(INVOKE) config --env=capecraft --set ENV \
	  --set RUN_DB_MIGRATIONS_ON_STARTUP --set DISABLE_RECAPTCHA --why "the playbook's config vars"

heroku-rollback: $(READY)  ## roll production back (REL=vNNN ALLOW_PROD=1)
	@. scripts/keys.sh $@ $(GIVEN); $(INVOKE) rollback --env=capecraft --to="$$REL"

require-prod:  ## end with an error unless this command holds both keys of production
	@. scripts/keys.sh $@ $(GIVEN); if [ "$${ALLOW_PROD-}" != 1 ] || [ "$${ALLOW_PROD_DEPLOY-}" != YES ]; then \
	  echo "production is locked: if you mean it, give ALLOW_PROD the value 1 on the command line" >&2; exit 2; fi

# ---- to either (HEROKU_APP_NAME=autorisen) --------------------------------------------------------------

heroku-run-migrate: $(READY)  ## run pending migrations (HEROKU_APP_NAME=autorisen; production: ALLOW_PROD=1 APPROVAL=ref)
	@. scripts/keys.sh $@ $(GIVEN); $(INVOKE) migrate --env="$$HEROKU_APP_NAME" --approval="$$APPROVAL"

history: $(READY)  ## what happened in an environment (HEROKU_APP_NAME=autorisen)
	@$(INVOKE) history --env="$$HEROKU_APP_NAME"

# ---- look -----------------------------------------------------------------------------------------------

status: $(READY)  ## what should run where, what does
	@$(INVOKE) status

verify-autorisen: $(READY)  ## compare staging's platform, app and database with the journal
	@$(INVOKE) verify --env=autorisen

verify-capecraft: $(READY)  ## compare production's platform, app and database with the journal
	@$(INVOKE) verify --env=capecraft

smoke-staging: $(READY)  ## ask staging the checks of release.toml
	@$(INVOKE) smoke --env=autorisen

smoke-prod: $(READY)  ## ask production the checks of release.toml
	@$(INVOKE) smoke --env=capecraft

heroku-smoke-staging: smoke-staging  ## ask staging the checks of release.toml

heroku-smoke-prod: smoke-prod  ## ask production the checks of release.toml

# ---- images ---------------------------------------------------------------------------------------------

docker-build: $(READY)  ## build the image of a commit on this machine (IMAGE=autorisen:local COMMIT=)
	@$(INVOKE) dockerhub.local --commit="$$COMMIT" --image="$$IMAGE"

dockerhub-release: $(READY)  ## publish a commit's image for PLATFORMS under four tags (DH_NAMESPACE= APP= TAG=)
	@$(INVOKE) dockerhub.release --commit="$$COMMIT" --repository="$$DH_NAMESPACE/$$APP" --tag="$$TAG" --platforms="$$PLATFORMS" --latest="$$LATEST"

dockerhub-build: $(READY)  ## build it on this machine, as its version and latest
	@$(INVOKE) dockerhub.build --commit="$$COMMIT" --repository="$$DH_NAMESPACE/$$APP" --tag="$$TAG"

dockerhub-push: $(READY)  ## publish a commit's image for this machine's platform
	@$(INVOKE) dockerhub.push --commit="$$COMMIT" --repository="$$DH_NAMESPACE/$$APP" --tag="$$TAG" --latest="$$LATEST"

dockerhub-build-push: dockerhub-push  ## what is not built yet is built

dockerhub-login: $(READY)  ## log the engine in (DOCKERHUB_USERNAME, DOCKERHUB_TOKEN)
	@$(INVOKE) dockerhub.login --repository="$$DH_NAMESPACE/$$APP"

dockerhub-logout: $(READY)  ## let the engine forget its login
	@$(INVOKE) dockerhub.logout --repository="$$DH_NAMESPACE/$$APP"
