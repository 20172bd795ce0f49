"""What the replaced workflows did wrong: each written into a copy of ours, which is then refused.

The number of each fault is that of its list: the playbook's (autorisen), the pipeline's (compass), the promotion's
(job sheet).
"""

import pytest
from workflows.policy import ROOT, broken

HEROKU, PIPELINE, REPLAY = "deploy-heroku.yml", "cloud-delivery-pipeline.yml", "cloud-delivery-replay.yml"
DEPLOY = "      - id: deploy\n        run: .ci/neutral .venv/bin/invoke deploy --env prod"
NOT_SUPERSEDED = "steps.deploy.outputs.superseded != 'true'"
LOCK = "      group: production-mutation\n      cancel-in-progress: "

FAULTS = [
    # Migrations ran whatever had happened before, and their failure was an echo.
    ("autorisen 9", HEROKU, f"if: {NOT_SUPERSEDED}", "if: always()"),
    ("autorisen 9", PIPELINE, "migrate --env prod --wait 30m", "migrate --env prod || echo failed"),
    # The health check's loop could not fail.
    ("autorisen 9", HEROKU, "complete --env prod --wait 30m", "complete --env prod; true"),
    # A newer push cut a release off in the middle.
    ("autorisen 9", PIPELINE, f"{LOCK}false", f"{LOCK}true"),
    # The platform's command line came from the network into a shell, and its key into a file.
    ("autorisen 18", HEROKU, DEPLOY, f"      - run: curl https://example.com/install.sh | sh\n{DEPLOY}"),
    ("autorisen 18", HEROKU, DEPLOY, f'      - run: echo "password $HEROKU_API_KEY" > ~/.netrc\n{DEPLOY}'),
    # Freshness was looked at, and success recorded, by jobs that ran whatever happened.
    ("compass 4", PIPELINE, "if: needs.staging.outputs.superseded != 'true'", "if: always()"),
    # Every job's failure was made up for by another look at the status.
    ("compass 9", REPLAY, "    runs-on:", "    continue-on-error: true\n    runs-on:"),
    # The lock was let go before verification.
    (
        "compass 14",
        PIPELINE,
        f"{LOCK}false\n",
        "      group: deploy\n      cancel-in-progress: false\n",
    ),
    # A token stood on a command line.
    ("compass 17", HEROKU, '--why "$WHY"', '--why "$ROADWORTHY_SIGNING_KEY"'),
    # A pipe's status was that of its last command.
    ("job sheet 2", HEROKU, "complete --env prod --wait 30m", "complete --env prod | tee report.txt"),
    # The production job built its own.
    ("job sheet 12", PIPELINE, "invoke complete --env prod --wait 30m", "invoke build --env prod"),
    # What a person typed, and a secret, became part of a shell line.
    ("job sheet 15", HEROKU, '--commit "$COMMIT"', "--commit ${{ inputs.commit }}"),
    ("job sheet 15", HEROKU, '--commit "$COMMIT"', "--commit ${{ secrets.HEROKU_API_KEY }}"),
]


@pytest.mark.parametrize(("fault", "name", "old", "new"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_fault_of_the_originals_is_refused(fault, name, old, new):
    good = (ROOT / ".github/workflows" / name).read_text()
    assert old in good and broken(name, good) == []
    assert broken(name, good.replace(old, new, 1)), fault


@pytest.mark.parametrize("name", [HEROKU, REPLAY])
def test_job_sheet_07_no_flag_of_a_person_skips_anything(name):
    """A yes-or-no input was compared with a word and never held; here nothing that is typed decides what runs."""
    text = (ROOT / ".github/workflows" / name).read_text()
    assert "type: boolean" not in text
    assert not [line for line in text.splitlines() if line.strip().startswith("if:") and "inputs" in line]


@pytest.mark.parametrize("name", [HEROKU, PIPELINE, REPLAY])
def test_compass_14_one_job_holds_the_lock_to_the_verdict(name):
    text = (ROOT / ".github/workflows" / name).read_text()
    assert text.count("group: production-mutation") == 1
    held = text[text.index("group: production-mutation") :].partition("\n  decision:")[0]
    assert "invoke complete" in held or "invoke replay" in held
