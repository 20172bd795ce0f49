"""The workflows keep the rules of `policy.py`; and every rule finds a copy in which it is broken."""

import pytest

from workflows.policy import ROOT, TRIGGERS, broken

HERE = ROOT / ".github"
FILES = sorted(HERE.rglob("*.yml"))
PIPELINE, REPLAY, STAGE = "cloud-delivery-pipeline.yml", "cloud-delivery-replay.yml", "commit-stage.yml"
STAGING, HEROKU, HUB = "deploy-staging.yml", "deploy-heroku.yml", "dockerhub-publish.yml"
ACTION = "action.yml"
DEPLOY = "run: .ci/neutral .venv/bin/invoke deploy --env prod --wait 30m"
REPLAYS = 'run: .venv/bin/invoke replay --env prod --sha "$RELEASE_PACKAGE_SHA" --why "$WHY" --wait 30m'
ACCEPT = "run: .venv/bin/invoke accept --env prod"
PRODUCTION = "    environment: production\n"
QUEUE = "      queue: max # none that waits is cancelled; an older one ends as superseded\n"
LOCK = f"      group: production-mutation\n      cancel-in-progress: false\n{QUEUE}"
MAIN = "    needs: staging\n    if: needs.staging.outputs.superseded != 'true'\n"
GOES_ON = "      - if: steps.deploy.outputs.superseded != 'true'\n        run: "
QEMU = "- uses: docker/setup-qemu-action@29109295f81e9208d7d86ff1c6c12d2833863392 # v3.6.0\n"


def text(name: str) -> str:
    return next(file for file in FILES if file.name == name).read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_workflow_keeps_every_rule(file):
    assert broken(file.name, file.read_text()) == []


def test_the_six_workflows_of_the_contract_are_there_and_no_other():
    assert {file.name for file in HERE.joinpath("workflows").iterdir()} == set(TRIGGERS)


BROKEN = [
    # triggers
    (PIPELINE, "  push:\n    branches: [main]\n", "  workflow_dispatch:\n", "starts on workflow_dispatch"),
    (STAGE, "  pull_request:\n", "  pull_request_target:\n", "starts on merge_group, pull_request_target"),
    # permissions
    (PIPELINE, "permissions: {}", "permissions: read-all", "own permissions are not empty"),
    (STAGE, "permissions: {}\n", "", "own permissions are not empty"),
    (STAGE, "    permissions:\n      contents: read # the checkout\n", "", "declares no permissions"),
    (PIPELINE, "checks: read", "checks: write", "build may write checks"),
    (PIPELINE, "      checks: read # the commit stage of this commit\n", "", "stage that build asks for"),
    (
        PIPELINE,
        "      pull-requests: read # the pull request that a squash came from\n",
        "",
        "build may not read",
    ),
    (PIPELINE, "contents: read", "contents: write", "intake may write contents"),
    # jobs
    (PIPELINE, "    timeout-minutes: 15\n", "", "intake has no time limit"),
    (PIPELINE, "    environment: build\n", "", "intake has secrets and no environment"),
    (STAGING, "cancel-in-progress: false", "cancel-in-progress: true", "cancelled while it changes"),
    (
        STAGING,
        f"    concurrency:\n      group: staging-mutation\n      cancel-in-progress: false\n{QUEUE}",
        "",
        "staging changes an environment without a lock",
    ),
    (
        PIPELINE,
        ACCEPT + "\n        env:\n",
        ACCEPT + "\n        env:\n          HEROKU_API_KEY: ${{ secrets.HEROKU_API_KEY }}\n",
        "gives acceptance what changes an environment",
    ),
    # production
    (PIPELINE, PRODUCTION, "    environment: staging\n", "production outside of its environment"),
    (REPLAY, PRODUCTION, "", "production outside of its environment"),
    (PIPELINE, LOCK, LOCK.replace("production-", "other-"), "without the lock production-mutation"),
    (REPLAY, LOCK, LOCK.replace("false", "true"), "without the lock production-mutation"),
    (HEROKU, "    if: github.ref == 'refs/heads/main'\n", "", "production from any branch"),
    (PIPELINE, "branches: [main]", "branches: [main, develop]", "production from any branch"),
    (HEROKU, "invoke complete --env prod --wait 30m", "invoke build", "may build or push"),
    (PIPELINE, "invoke complete --env prod --wait 30m", "invoke ship --env prod", "may build or push"),
    (PIPELINE, DEPLOY, "run: make dockerhub-release", "may build or push"),
    (REPLAY, "      - " + REPLAYS, f"      {QEMU}      - {REPLAYS}", "builds or pushes an image"),
    (
        STAGING,
        "invoke certify --env staging",
        "invoke deploy --env capecraft",
        "production outside of its environment",
    ),
    (
        STAGING,
        "GITHUB_TOKEN: ${{ github.token }}",
        'ALLOW_PROD: "1"',
        "production outside of its environment",
    ),
    # pins
    (ACTION, "@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5", "is not pinned"),
    (ACTION, "e797f83bcb11b83ae66e0230d6156d7c80228e7c # v6.0.0", "e797f83 # v6.0.0", "is not pinned"),
    (ACTION, "08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "0" * 40, "is not pinned"),
    (STAGE, "$/.github/actions/setup", "$/.github/actions/other", "is not pinned"),
    # commands
    (ACTION, "persist-credentials: false", "persist-credentials: true", "leaves the token in the checkout"),
    (ACTION, "        persist-credentials: false\n", "", "leaves the token in the checkout"),
    (PIPELINE, DEPLOY, DEPLOY + " || true", "more than plain words"),
    (PIPELINE, DEPLOY, DEPLOY + " | tee deploy.log", "more than plain words"),
    (PIPELINE, DEPLOY, "run: |\n          .venv/bin/invoke deploy\n          true", "more than plain words"),
    (REPLAY, '"$RELEASE_PACKAGE_SHA"', "$RELEASE_PACKAGE_SHA", "more than plain words"),
    (REPLAY, '"$RELEASE_PACKAGE_SHA"', '"${{ inputs.release_package_sha }}"', "more than plain words"),
    (REPLAY, '"$RELEASE_PACKAGE_SHA"', '"$OTHER"', "$OTHER is not in the step's env"),
    (REPLAY, '"$WHY" --wait', '"$HEROKU_API_KEY" --wait', "$HEROKU_API_KEY is a secret on a command line"),
    (REPLAY, '--why "$WHY"', '--why "$GITHUB_TOKEN"', "$GITHUB_TOKEN is a secret on a command line"),
    (PIPELINE, "invoke accept", "invoke acept", "invoke does not take"),
    (PIPELINE, "invoke accept --env", "invoke accept --environment", "invoke does not take"),
    (PIPELINE, "invoke accept --env prod", "invoke build release", "is not one task"),
    (STAGE, "make test", "make tests", "is no command of ours"),
    (STAGE, "make test", "curl example.com", "is no command of ours"),
    # no way around
    (PIPELINE, f"        {DEPLOY}", f"        continue-on-error: true\n        {DEPLOY}", "after an error"),
    (HEROKU, "    name: deploy,", "    continue-on-error: true\n    name: deploy,", "after an error"),
    (PIPELINE, MAIN, "    needs: staging\n    if: always()\n", "runs whatever happened"),
    (PIPELINE, f"        {DEPLOY}", f"        if: always()\n        {DEPLOY}", "runs whatever happened"),
    (
        PIPELINE,
        MAIN,
        "    needs: staging\n    if: ${{ !cancelled() }}\n",
        "production, step 2 changes something after a failure",
    ),
    # superseded
    (PIPELINE, QUEUE, "", "staging cancels who waits for its lock"),
    (REPLAY, QUEUE, "", "without the lock production-mutation"),
    (PIPELINE, DEPLOY, DEPLOY.replace(".ci/neutral ", ""), "deploy --env prod --wait 30m must be neutral"),
    (
        PIPELINE,
        "run: .venv/bin/invoke certify",
        "run: .ci/neutral .venv/bin/invoke certify",
        "must be neutral",
    ),
    (STAGING, ".ci/neutral ", ".ci/neutral curl example.com ", "is no command of ours"),
    (HEROKU, "      - id: deploy\n        run: ", "      - run: ", "nobody can ask whether"),
    (HEROKU, GOES_ON, "      - run: ", "production goes on after its deploy was superseded"),
    (PIPELINE, MAIN, "    needs: staging\n", "production goes on after staging was superseded"),
    (
        PIPELINE,
        " && needs.production.outputs.superseded != 'true'",
        "",
        "decision goes on after production was superseded",
    ),
    # secrets, and what people typed
    (
        PIPELINE,
        "jobs:\n",
        "env:\n  HEROKU_API_KEY: ${{ secrets.HEROKU_API_KEY }}\njobs:\n",
        "a secret is somewhere else",
    ),
    (
        PIPELINE,
        "journal-role: ${{ vars.JOURNAL_ROLE }}",
        "journal-role: ${{ secrets.JOURNAL_ROLE }}",
        "a secret is somewhere else",
    ),
    (REPLAY, "name: 4 to 7 release", "name: ${{ inputs.why }} release", "what a person typed"),
    (REPLAY, ' --why "$WHY" --again', ' --why "$WHY"', "would accept beside production's credentials"),
    (REPLAY, "    needs: acceptance #", "    #", "would accept beside production's credentials"),
    (REPLAY, REPLAYS, REPLAYS.replace('"$WHY"', '"${{ inputs.why }}"'), "what a person typed"),
    (STAGE, "group: commit-stage-${{ github.ref }}", "group: ${{ github.head_ref }}", "what a person typed"),
    (STAGE, "name: the slow proofs", "name: ${{ github.event.pull_request.title }}", "what a person typed"),
]


@pytest.mark.later(20)
@pytest.mark.parametrize(("name", "old", "new", "problem"), BROKEN)
def test_a_copy_that_breaks_a_rule_is_found(name, old, new, problem):
    good = text(name)
    assert old in good, "the broken copy would be no other"
    assert any(problem in said for said in broken(name, good.replace(old, new, 1)))
