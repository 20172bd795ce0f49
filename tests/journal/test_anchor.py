"""A head that was noted elsewhere shows what no log can: a tail that was cut off, an old copy put back."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from roadworthy.journal import anchor
from roadworthy.journal.audit import audit, read_anchors
from roadworthy.journal.audit_entry import Bad

from .auditing import TOOLS, both, path_of, run
from .making import needs, record
from .test_rotation import log, trust

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]


def git(repository: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ("git", "-C", repository, *who, *words), capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture(params=["file", "tag"])
def source(request: pytest.FixtureRequest, root: Path, repository: Path) -> str:
    """The head of the sound log, entry 5, anchored in one way or the other."""
    head = log(root).head()
    assert head
    if request.param == "file":
        anchor.to_file(head, root / "anchor.json")
        return str(root / "anchor.json")
    anchor.to_tag(head, repository)
    return f"git:{repository}"


def test_a_log_passes_with_its_anchor_and_goes_on(path: str, root: Path, source: str) -> None:
    assert both(path, root, anchors=[source]) == ("", "")
    log(root).append(record("note"))
    assert both(path, root, anchors=[source]) == ("", "")


def test_a_cut_tail_is_named(path: str, root: Path, source: str) -> None:
    path_of(root, 5).unlink()
    assert both(path, root, anchors=[source]) == ("00000005.json", "anchor")
    path_of(root, 4).unlink()
    assert both(path, root, anchors=[source]) == ("00000005.json", "anchor")


def test_a_log_that_went_is_named_by_its_anchor(path: str, root: Path, source: str) -> None:
    shutil.rmtree(root / "journal/sandbox/prod")
    assert both(path, root, anchors=[source]) == ("prod", "folder")


def test_an_old_copy_that_was_continued_is_named(path: str, root: Path, source: str) -> None:
    """The holder of a key puts last week's copy back and writes another entry in the place of the last."""
    path_of(root, 5).unlink()
    log(root).append(record("end", settles=4))
    assert both(path, root) == ("", "")
    assert both(path, root, anchors=[source]) == ("00000005.json", "anchor")


def test_a_whole_old_store_is_named(path: str, root: Path, tmp_path: Path) -> None:
    old = shutil.copytree(root / "journal", tmp_path / "old")
    head = log(root).append(record("note"))
    anchor.to_file(head, root / "anchor.json")
    shutil.rmtree(root / "journal")
    shutil.copytree(old, root / "journal")
    assert both(path, root) == ("", "")
    assert both(path, root, anchors=[root / "anchor.json"]) == ("00000006.json", "anchor")


def test_every_anchor_counts(path: str, root: Path, repository: Path) -> None:
    for number in range(3):
        head = log(root).append(record("note", number=number))
        anchor.to_tag(head, repository)
    assert both(path, root, anchors=[f"git:{repository}"]) == ("", "")
    path_of(root, 8).unlink()
    path_of(root, 7).unlink()
    assert both(path, root, anchors=[f"git:{repository}"]) == ("00000007.json", "anchor")


def test_an_anchor_keeps_an_older_policy_away(path: str, root: Path) -> None:
    """Also where the entries that named the newer policy were cut off with the tail."""
    trust(root, 1, "deployer")
    log(root).append(record("note"))
    before = (root / "trust" / "trust.toml").read_text()
    trust(root, 2, "deployer")
    head = log(root).append(record("note"))
    anchor.to_file(head, root / "anchor.json")
    assert both(path, root, anchors=[root / "anchor.json"]) == ("", "")
    (root / "trust" / "trust.toml").write_text(before)
    assert both(path, root, anchors=[root / "anchor.json"]) == ("trust", "policy")


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0},
        {"seq": "5"},
        {"seq": True},
        {"sha256": "x"},
        {"environment": "../prod"},
        {"more": 1},
        {"policy": {"version": 0, "sha256": "0" * 64}},
        {"policy": []},
    ],
)
def test_what_is_no_anchor_is_no_pass(path: str, root: Path, change: dict[str, object]) -> None:
    head = log(root).head()
    assert head
    file = root / "anchor.json"
    file.write_text(json.dumps({**json.loads(anchor.anchor_of(head)), **change}))
    with pytest.raises(Bad):
        list(read_anchors(str(file), "sandbox"))
    done = run(path, path_of(root, 1).parent, "--trust", root / "trust", "--anchor", file)
    assert (done.returncode, done.stderr.split(": ")[:3]) == (1, ["audit", "prod", "anchor"])


def test_an_anchor_of_another_log_or_none_is_no_pass(path: str, root: Path, repository: Path) -> None:
    staging = root / "anchor.json"
    staging.write_text(
        json.dumps({"environment": "staging", "target": "sandbox", "seq": 5, "sha256": "0" * 64})
    )
    for source in (staging, root / "absent", f"git:{repository}", f"git:{root}", "git:/nowhere"):
        done = run(path, path_of(root, 1).parent, "--trust", root / "trust", "--anchor", source)
        assert (done.returncode, done.stderr.split(": ")[:3]) == (1, ["audit", "prod", "anchor"])


@pytest.mark.parametrize("how", ["light", "moved"])
def test_a_tag_that_is_not_what_its_name_says_is_no_pass(
    path: str, root: Path, repository: Path, how: str
) -> None:
    head = log(root).head()
    assert head
    tag = anchor.to_tag(head, repository)
    if how == "light":
        git(repository, "tag", "roadworthy/sandbox/prod/4", "HEAD")
    else:
        git(repository, "tag", "roadworthy/sandbox/prod/4", f"refs/tags/{tag}")
    with pytest.raises(Bad):
        list(read_anchors(f"git:{repository}", "sandbox"))
    done = run(path, path_of(root, 1).parent, "--trust", root / "trust", "--anchor", f"git:{repository}")
    assert (done.returncode, done.stderr.split(": ")[2]) == (1, "anchor")


def test_a_head_is_anchored_once_and_pushed(root: Path, repository: Path, tmp_path: Path) -> None:
    far = tmp_path / "far.git"
    git(repository, "init", "-q", "--bare", str(far))
    git(repository, "remote", "add", "origin", str(far))
    head = log(root).head()
    assert head
    tag = anchor.to_tag(head, repository)
    assert tag == anchor.to_tag(head, repository) == "roadworthy/sandbox/prod/5"
    assert git(far, "cat-file", "-t", tag) == "tag"
    assert head.sha256 in git(far, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")


def test_a_tag_is_never_made_over_another(root: Path, repository: Path) -> None:
    git(repository, "tag", "-a", "-m", "mine", "roadworthy/sandbox/prod/5")
    head = log(root).head()
    assert head
    with pytest.raises(anchor.AnchorError, match="anchors another head"):
        anchor.to_tag(head, repository)


def test_a_place_without_git_or_a_remote_that_is_gone_says_so(root: Path, repository: Path) -> None:
    head = log(root).head()
    assert head
    with pytest.raises(anchor.AnchorError, match="no git repository"):
        anchor.to_tag(head, root)
    git(repository, "remote", "add", "origin", "/nowhere.git")
    with pytest.raises(anchor.AnchorError, match="is only in this clone"):
        anchor.to_tag(head, repository)


class _Authority(BaseHTTPRequestHandler):
    folder: Path

    def do_POST(self) -> None:
        (self.folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-section", "tsa"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=True, timeout=60)
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.end_headers()
        self.wfile.write(done.stdout)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[str]:
    """A timestamp authority of our own; its certificate is `tmp_path/tsa/cert.pem`."""
    folder = tmp_path / "tsa"
    folder.mkdir()
    (folder / "tsa.cnf").write_text(
        "[req]\ndistinguished_name = dn\n[dn]\n[ext]\nbasicConstraints = critical,CA:true\n"
        "extendedKeyUsage = critical,timeStamping\n"
        "[tsa]\nserial = serial\nsigner_cert = cert.pem\nsigner_key = key.pem\ncerts = cert.pem\n"
        "signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\ness_cert_id_alg = sha256\n"
    )
    (folder / "serial").write_text("01\n")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tsa", "-days", "9999"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-config", "tsa.cnf", "-extensions", "ext"]
    subprocess.run([*make, *files], cwd=folder, check=True, capture_output=True, timeout=60)
    server = HTTPServer(("127.0.0.1", 0), type("Authority", (_Authority,), {"folder": folder}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_timestamp_is_taken_and_checked(path: str, root: Path, tmp_path: Path, authority: str) -> None:
    head, file, certificate = log(root).head(), root / "anchor.json", tmp_path / "tsa" / "cert.pem"
    assert head
    anchor.to_file(head, file)
    anchor.timestamp(file, authority)
    command = (path_of(root, 1).parent, "--trust", root / "trust", "--anchor", file, "--tsa", certificate)
    assert run(path, *command).returncode == 0
    known = list(read_anchors(str(file), "sandbox", certificate))
    assert audit(path_of(root, 1).parent, root / "trust", known) == []
    # Another anchor under the same timestamp, and a timestamp that is not there.
    for spoil in (lambda: file.write_bytes(file.read_bytes() + b" "), (root / "anchor.json.tsr").unlink):
        spoil()
        assert "anchor" in run(path, *command).stderr
        with pytest.raises(Bad, match="is no timestamp"):
            list(read_anchors(str(file), "sandbox", certificate))


def test_an_authority_that_cannot_be_asked_says_so(root: Path) -> None:
    head = log(root).head()
    assert head
    anchor.to_file(head, root / "anchor.json")
    with pytest.raises(anchor.AnchorError, match="no timestamp from http://127"):
        anchor.timestamp(root / "anchor.json", "http://127.0.0.1:9/", timeout=1)
    assert not (root / "anchor.json.tsr").exists()


def test_a_timestamp_that_nobody_can_check_here_is_no_pass(
    root: Path, tmp_path: Path, authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, file = log(root).head(), root / "anchor.json"
    assert head
    anchor.to_file(head, file)
    anchor.timestamp(file, authority)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(Bad, match="cannot be checked"):
        list(read_anchors(str(file), "sandbox", tmp_path / "tsa" / "cert.pem"))
