"""No secret is anywhere but in the files that are meant to hold it, and those only their owner can read."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from canaries import STEM, Search
from journey import Journey

# The whole road, with a PostgreSQL and every command twice: about half a minute, on a busy machine two.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def kept_secrets(journey: Journey) -> list[Path]:
    """The files that are meant to hold a secret, all of them."""
    project, sandbox = journey.project, journey.project.sandbox
    return [
        sandbox / "api-key",
        sandbox / "state.sqlite",  # config vars and the passwords of databases
        *sandbox.glob("state.sqlite-*"),
        sandbox / "postgres-password",
        project.root / ".release/keys/sandbox",
        project.root / ".release/rehearsal/keys/sandbox",
        sandbox.parent / "tmp/keys/release",
        sandbox.parent / "tmp/keys/ci",
        *(sandbox / "logs").glob(f"{project.staging}.log*"),  # what the app itself told, on this machine
        *(sandbox / "logs").glob(f"{project.prod}.log*"),
    ]


# A person's own files: git's, and `.env`.
OWN = (".git/config", ".env")


def test_no_command_says_a_secret(journey: Journey):
    key = journey.api_key
    said = [
        # `sandbox.env` is asked for the key of the sandbox, and says that one alone.
        (words, journey.search(ran.text.replace(key, "", 1) if words[0] == "sandbox.env" else ran.text))
        for words, ran in journey.project.ran
    ]
    assert sum(key in ran.text for _, ran in journey.project.ran) == 2
    assert len(said) > 60
    assert [(words, near) for words, near in said if near] == []


def test_no_command_line_holds_a_secret(journey: Journey):
    seen = journey.command_lines.all
    for program in (b"git", b"initdb", b"postgres", b"web.py", b"roadworthy.sandbox", b"invoke"):
        assert program in seen, program
    assert journey.search(seen) == ""


def test_no_file_holds_a_secret_that_is_not_meant_to(journey: Journey):
    place = journey.project.root.parent
    own = [journey.project.root / name for name in OWN]
    assert journey.search.below(place, (*kept_secrets(journey), *own)) == []


def test_files_that_hold_a_secret_can_be_read_by_their_owner_only(journey: Journey):
    for path in kept_secrets(journey):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_no_object_of_git_holds_a_secret(journey: Journey):
    listed = subprocess.run(
        ("git", "cat-file", "--batch-all-objects", "--batch"),
        cwd=journey.project.root,
        capture_output=True,
        check=True,
    ).stdout
    assert b"Tell" in listed
    assert journey.search(listed) == ""


def test_a_process_of_the_app_gets_its_config_vars_and_no_credential_of_ours(journey: Journey):
    assert journey.environs
    for environ in journey.environs:
        names = {pair.partition(b"=")[0].decode() for pair in environ.split(b"\0")}
        assert {"SECRET_KEY", "DATABASE_URL"} <= names
        assert not {"HEROKU_API_KEY", "GITHUB_TOKEN", "ROADWORTHY_SIGNING_KEY", "SOME_PASSWORD"} & names


def test_the_journal_and_its_evidence_are_there_to_be_searched(journey: Journey):
    """The searches above prove nothing when there was nothing to search."""
    project, state = journey.project, journey.project.root / ".release"
    kinds = set(project.kinds())
    assert {"refused deploy", "failed deploy", "failed migrate", "failed certify", "end rollback"} <= kinds
    assert "abandon deploy" in kinds
    assert list(state.glob("journal/live/package-*/00000002.json"))  # what the key in the environment signed
    for wanted in ("junit.xml", "junit-failed.xml", "logs/ship_*.log", "logs/smoke_*.json"):
        assert list(state.glob(wanted)), wanted
    assert (project.root.parent / "tmp/summary.md").is_file()
    told = (project.sandbox / "logs" / f"{project.staging}.log").read_bytes()
    assert STEM.encode() in told  # the app did tell


def test_the_pages_of_a_rehearsal_are_there_to_be_searched(journey: Journey):
    """One that `rehearse` wrote with every credential around it, one about all that was done here."""
    folder = journey.project.root / ".release/rehearsal"
    rehearsed, page = ((folder / name).read_text() for name in ("rehearsed.html", "report.html"))
    assert "</html>" in rehearsed and "invoke test --commit" in rehearsed
    for action in ("deploy", "migrate", "rollback", "config", "adopt", "certify", "complete"):
        assert f">{action}<" in page, action
    assert "[hidden]" in page  # what the app told was quoted


def test_the_credentials_of_buckets_were_used(journey: Journey):
    """A credential that is sent nowhere could not leak."""
    asked, secrets = journey.buckets, journey.project.secrets
    assert all(secrets["AWS_ACCESS_KEY_ID"] in one.credential for one in asked["s3"])
    assert all(secrets["AWS_SESSION_TOKEN"] in str(one.headers) for one in asked["s3"])
    assert all(STEM in one.path for one in asked["az"])
    assert all(secrets["GOOGLE_BEARER_TOKEN"] in one.credential for one in asked["gs"])
    assert all(len(some) >= 3 for some in asked.values())


def test_the_token_of_docker_hub_was_handed_over_and_given_back(journey: Journey):
    said = [ran.text for words, ran in journey.project.ran if words[0] == "dockerhub.login"]
    assert len(said) == 2
    assert all("login ended with 1" in text and "[hidden]" in text for text in said)


def test_the_search_finds_a_secret_in_every_form():
    import base64
    import json
    from urllib.parse import quote

    search, secret = Search(), f"x{STEM}é\n'"
    raw = secret.encode()
    for shift in range(3):
        assert search(base64.b64encode(b"\0" * shift + raw)), shift
    for text in (secret, json.dumps(secret), repr(secret), quote(secret), raw.hex(), raw.hex().upper()):
        assert search(text), text
    assert not search("harmless " * 100)


def test_the_search_finds_a_form_inside_what_is_signed(tmp_path: Path):
    import base64
    import json

    for name, said in {"plain": STEM, "base64": base64.b64encode(STEM.encode()).decode()}.items():
        signed = base64.b64encode(json.dumps({"said": said}).encode()).decode()
        (tmp_path / name).write_text(json.dumps({"payload": signed, "signatures": []}))
    assert [near.partition(":")[0] for near in Search().below(tmp_path)] == ["base64", "plain"]
