"""The `evidence` commands on a project of its own: keys, audit, anchor and export, without any platform."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from roadworthy.commands import audit, evidence, trust
from roadworthy.context import Context
from roadworthy.errors import Planned, UsageError
from roadworthy.execution import anchor as anchoring
from roadworthy.journal.sign import Trust, create_key, load_signer
from roadworthy.journal.store import Folder
from roadworthy.model import Outcome
from roadworthy.report.terminal import Screen

from .exporting import COMMIT, PACKAGE, did
from .making import needs, record, secret_line

REPOSITORY = Path(__file__).parents[2]
RULES = """
version = 1
[[rule]]
key = "release"
target = "live"
environments = ["*"]
stages = ["*"]
actions = ["*"]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(REPOSITORY / "release.toml", folder)
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", folder, *who, *words], check=True, timeout=60)
    return folder


def context(root: Path, **environ: str) -> Context:
    return Context(root, Screen(json=True, stream=io.StringIO()), environ)


@pytest.fixture
def live(root: Path, tmp_path: Path) -> Context:
    """A project on target live whose key may sign everything there."""
    text = (root / "release.toml").read_text()
    assert 'target = "sandbox"' in text
    (root / "release.toml").write_text(text.replace('target = "sandbox"', 'target = "live"', 1))
    evidence.keys(context(root), "release", str(tmp_path / "private"))
    (root / ".release" / "trust" / "trust.toml").write_text(RULES)
    return context(root, ROADWORTHY_SIGNING_KEY_FILE=str(tmp_path / "private" / "release"))


def test_a_key_is_made_outside_the_project_and_shown_by_its_id_alone(root: Path, tmp_path: Path) -> None:
    result = evidence.keys(context(root), "release", str(tmp_path / "private"))
    private = tmp_path / "private" / "release"
    assert private.stat().st_mode & 0o777 == 0o600
    assert set(Trust.load(root / ".release" / "trust").keys) == {load_signer(private).keyid}
    assert load_signer(private).keyid in result.line
    assert secret_line(private) not in str(result)


def test_the_policy_of_four_keys_is_written_once_its_keys_are_there(root: Path, tmp_path: Path) -> None:
    there = root / ".release" / "trust" / "trust.toml"
    with pytest.raises(
        UsageError, match=r"has no build\.pub, verification\.pub, approval\.pub, deploy\.pub"
    ) as caught:
        trust.policy(context(root))
    assert caught.value.next[-1] == "invoke evidence.keys --policy"
    for name in trust.KEYS:
        evidence.keys(context(root), name, str(tmp_path / "private"))
    with pytest.raises(Planned, match=r"write \.release/trust/trust\.toml"):
        trust.policy(Context(root, Screen(json=True, stream=io.StringIO()), {}, planning=True))
    assert not there.exists()
    assert trust.policy(context(root)).next == trust.COMMIT
    assert trust.policy(context(root)).line.endswith("already"), "said twice"
    assert there.read_text() == trust.reference()
    there.write_text(there.read_text().replace("version = 1 ", "version = 2 "))
    with pytest.raises(UsageError, match="there is another"):
        trust.policy(context(root))


@needs("ssh-keygen", "openssl")
@pytest.mark.parametrize("kind", ["OpenSSH", "PEM"])
def test_a_key_that_others_made_is_taken_in_and_stays_where_it_is(
    root: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "id"
    ssh = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    pem = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", str(path)]
    subprocess.run(ssh if kind == "OpenSSH" else pem, check=True, timeout=60)
    path.chmod(0o600)
    evidence.keys(context(root), "ci", "", str(path))
    assert set(Trust.load(root / ".release" / "trust").keys) == {load_signer(path).keyid}
    assert [p.name for p in (root / ".release" / "trust").iterdir()] == ["ci.pub"]


@needs("ssh-keygen", "openssl")
@pytest.mark.parametrize("kind", ["made here", "OpenSSH", "PEM"])
def test_ssh_keygen_signs_files_with_our_keys_and_the_trust_folder_judges_them(
    root: Path, tmp_path: Path, kind: str
) -> None:
    """As docs/trust.md says it. Entries are DSSE, which ssh-keygen does not know."""
    key = tmp_path / "private" / "ours"
    make = {"OpenSSH": ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]}
    make["PEM"] = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", key]
    if kind in make:
        key.parent.mkdir()
        subprocess.run(make[kind], check=True, timeout=60)
        key.chmod(0o600)
    evidence.keys(context(root), "ours", str(key.parent), str(key) if kind in make else "")
    evidence.keys(context(root), "theirs", str(key.parent))
    page = (REPOSITORY / "docs" / "trust.md").read_text()
    (listing,) = [line[2:] for line in page.splitlines() if "> allowed_signers" in line]
    subprocess.run(["sh", "-c", listing], cwd=root, check=True, timeout=60)
    file, allowed = tmp_path / "certificate.json", root / "allowed_signers"
    file.write_text("certified\n")
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", key, file]
    signed = subprocess.run(sign, capture_output=True, timeout=60, check=False)
    if kind == "PEM":
        assert signed.returncode == 255, "then docs/trust.md may say that PEM keys can"
        return
    assert signed.returncode == 0, signed
    verify = ["ssh-keygen", "-q", "-Y", "verify", "-n", "file", "-f", allowed, "-s", f"{file}.sig", "-I"]
    for name, text, code in (
        ("ours", "certified\n", 0),
        ("ours", "other\n", 255),
        ("theirs", "certified\n", 255),
    ):
        asked = subprocess.run(
            [*verify, name], input=text.encode(), capture_output=True, timeout=60, check=False
        )
        assert asked.returncode == code, asked


def test_a_key_that_should_not_be_is_refused(root: Path, tmp_path: Path) -> None:
    evidence.keys(context(root), "release", str(tmp_path / "private"))
    key = tmp_path / "private" / "release"
    inside = shutil.copy(key, root / "key")
    (root / "way").symlink_to(root)
    (tmp_path / "to-project").symlink_to(root)
    shared = shutil.copy(key, tmp_path / "shared")
    create_key(tmp_path / "other", "other")
    Path(shared).chmod(0o640)
    cases = {
        "must not be in the project": [
            ("x", str(root / "keys"), ""),
            ("x", "", str(inside)),
            ("x", str(tmp_path / "to-project" / "keys"), ""),
        ],
        "key release exists already": [("release", str(tmp_path / "elsewhere"), "")],
        "cannot make the key": [("other", str(tmp_path / "other"), "")],
        "others can read": [("x", "", str(shared))],
        "under another name": [("x", "", str(key))],
        "cannot name a key": [("../x", "", ""), ("", "", ""), ("a/b", "", "")],
        "cannot read": [("x", "", str(tmp_path / "absent"))],
    }
    for why, asked in cases.items():
        for name, folder, existing in asked:
            with pytest.raises(UsageError, match=why):
                evidence.keys(context(root), name, folder, existing)
    assert sorted(p.name for p in (root / ".release" / "trust").iterdir()) == ["release.pub"]
    assert not (tmp_path / "elsewhere").exists()


def test_the_text_of_a_key_in_the_environment_signs_and_is_shown_nowhere(
    live: Context, root: Path, tmp_path: Path
) -> None:
    text = (tmp_path / "private" / "release").read_text()
    ci = context(root, ROADWORTHY_SIGNING_KEY=text)
    ci.log("prod").append(record("note", target="live"))
    assert ci.log("prod").head() == live.log("prod").head()
    assert audit.audit(ci).outcome is Outcome.SUCCEEDED
    assert anchoring.anchor(ci, "prod", "head.json").outcome is Outcome.SUCCEEDED
    lines = text.splitlines()[1:-1]
    left = [file.read_bytes() for file in root.rglob("*") if file.is_file()]
    assert lines
    assert not any(line.encode() in data for data in left for line in lines)
    broken = text.replace(lines[0][:8], "AAAAAAAA")
    with pytest.raises(UsageError, match="signing key from the environment") as caught:
        print(context(root, ROADWORTHY_SIGNING_KEY=broken).signer)
    assert not any(part in str(caught.value) for line in lines for part in (line, line[8:]))


def test_a_private_key_in_the_project_signs_nothing(live: Context, root: Path, tmp_path: Path) -> None:
    private = tmp_path / "private" / "release"
    shutil.copy2(private, root / "release.key")
    (tmp_path / "link").symlink_to(root / "release.key")
    for said in ("release.key", str(root / "release.key"), str(tmp_path / "link")):
        with pytest.raises(UsageError, match="names a file in the project"):
            print(context(root, ROADWORTHY_SIGNING_KEY_FILE=said).signer)
    one_line = private.read_text().replace("\n", "\\n")
    (root / ".env").write_text(f'ROADWORTHY_SIGNING_KEY="{one_line}"\n')
    with pytest.raises(UsageError, match=r"is set in \.env") as caught:
        print(context(root).signer)
    assert secret_line(private) not in str(caught.value)


def test_a_head_is_anchored_as_a_tag_and_compared(live: Context, root: Path) -> None:
    log = live.log("prod")
    log.append(record("note", target="live"))
    assert "is anchored: tag roadworthy/live/prod/1" in anchoring.anchor_head(live, "prod")
    log.append(record("note", target="live"))
    anchors = [f"git:{root}"]
    assert audit.audit(live, anchors).outcome is Outcome.SUCCEEDED
    assert audit.audit(live).line.endswith("compared with 1 anchor")  # the tags of this repository, unasked
    anchoring.anchor_head(live, "prod")
    (root / ".release/journal/live/prod/00000002.json").unlink()
    for asked in (anchors, ()):
        result = audit.audit(live, asked)
        lost, found = result.reasons
        assert lost.startswith(
            "the journal live/prod lost entries up to #2: the tag roadworthy/live/prod/2 anchors"
        )
        assert (result.code, found.split(": ")[2:4]) == (1, ["00000002.json", "anchor"])


def test_a_whole_log_that_went_is_named_by_its_anchor(live: Context, root: Path, tmp_path: Path) -> None:
    for place in ("prod", "staging"):
        live.log(place).append(record("note", target="live", environment=place))
    file = tmp_path / "anchor.json"
    anchoring.anchor(live, "prod", str(file))
    assert json.loads(file.read_text())["policy"]["version"] == 1
    assert audit.audit(live, [str(file)]).outcome is Outcome.SUCCEEDED
    shutil.rmtree(root / ".release/journal/live/prod")
    assert audit.audit(live, [str(file)]).reasons == (
        "folder: no journal of live/prod found, but an anchor of it exists",
    )
    assert audit.audit(live, [str(tmp_path / "absent")]).code == 1
    assert audit.audit(live, [f"git:{root}"]).reasons[0].endswith("holds no anchor of live")


def test_a_log_that_went_is_named_by_what_it_left_behind(live: Context, root: Path) -> None:
    """Without an anchor at hand: a tag of this repository, or the beats of those who held the environment."""
    assert audit.audit(live).reasons == (
        "no journal of live found: either nothing was released yet, or the journal was deleted",
    )
    for place in ("prod", "staging"):
        live.log(place).append(record("note", target="live", environment=place))
    assert audit.audit(live).outcome is Outcome.SUCCEEDED
    anchoring.anchor_head(live, "prod")
    live.store.beat("live/staging", 1)
    assert audit.audit(live).outcome is Outcome.SUCCEEDED
    for place, left in (("prod", "tag roadworthy/live/prod/1 anchors"), ("staging", "beats/live/staging")):
        moved = shutil.move(root / f".release/journal/live/{place}", root / place)
        (reason,) = audit.audit(live).reasons
        told = {
            "prod": "the journal live/prod lost entries up to #1: ",
            "staging": "folder: no journal of live/staging found, ",
        }
        assert reason.startswith(told[place]) and left in reason
        shutil.move(moved, root / f".release/journal/live/{place}")
    shutil.rmtree(root / ".release/journal/live")
    assert len(audit.audit(live).reasons) == 3


def test_the_audit_says_where_every_user_may_write(live: Context, root: Path) -> None:
    live.log("prod").append(record("note", target="live"))
    (root / ".release/journal/live").chmod(0o777)
    seen = io.StringIO()
    assert audit.audit(Context(root, Screen(json=True, stream=seen), {})).outcome is Outcome.SUCCEEDED
    assert "can write in .release/journal/live: chmod o-w .release/journal/live\n" in seen.getvalue()


def test_an_anchor_that_cannot_be_made_is_a_line_and_no_failure(live: Context, root: Path) -> None:
    live.log("prod").append(record("note", target="live"))
    shutil.rmtree(root / ".git")
    said = anchoring.anchor_head(live, "prod")
    assert said.startswith("NOT anchored: ")
    assert "invoke evidence.anchor --env prod" in said
    assert "NOT anchored" in anchoring.anchor_head(live, "staging"), "an empty journal has no head"


def test_the_sandbox_is_anchored_only_when_it_is_asked_for(root: Path) -> None:
    sandbox = context(root)
    sandbox.log("prod").append(record("note"))
    assert anchoring.anchor_head(sandbox, "prod") == ""
    assert "tag roadworthy/sandbox/prod/1" in anchoring.anchor(sandbox, "prod").line


def test_a_timestamp_needs_a_file(live: Context) -> None:
    live.log("prod").append(record("note", target="live"))
    with pytest.raises(UsageError, match="say --to FILE"):
        anchoring.anchor(live, "prod", timestamp="http://127.0.0.1:9/")


def test_a_release_is_exported_with_its_package(root: Path) -> None:
    sandbox = context(root)
    did(sandbox.log(f"package-{COMMIT}"), f"package-{COMMIT}", "test")
    did(sandbox.log("staging"), "staging", "certify")
    did(sandbox.log("prod"), "prod", "deploy", to={"commit": COMMIT, "release": 7})
    packages = root / ".release" / "packages"
    packages.mkdir()
    (packages / f"{COMMIT}.tgz").write_bytes(PACKAGE)
    result = evidence.export(sandbox, "prod", "v7", "out")
    assert (result.line, result.evidence) == ("3 stages of prod#2: see README.txt there", "out")
    digest = hashlib.sha256((root / "out" / "package.tgz").read_bytes()).hexdigest()
    assert digest in (root / "out" / "README.txt").read_text()
    with pytest.raises(UsageError, match="--to is missing"):
        evidence.export(sandbox, "prod", "v7", "")


def test_a_journal_that_is_not_in_a_folder_is_audited_too(live: Context, root: Path) -> None:
    """As one in a bucket: the auditors read files, so it is copied first."""

    class Elsewhere:
        far = True

        def __init__(self, inside: Folder) -> None:
            self.place = inside.place
            self.put, self.get, self.get_all, self.names = (
                inside.put,
                inside.get,
                inside.get_all,
                inside.names,
            )

    live.log("prod").append(record("note", target="live"), attach={"log.txt": b"line"})
    (root / ".release" / "journal").rename(root / "elsewhere")
    far = context(root)
    far.store = Elsewhere(Folder(root / "elsewhere"))
    assert audit.audit(far).line.startswith("1 journal of live is intact")
    next((root / "elsewhere" / "evidence").iterdir()).write_bytes(b"lime")
    assert "evidence: log.txt" in audit.audit(far).reasons[0]
