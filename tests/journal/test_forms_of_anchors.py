"""An anchor is one line of JSON in one narrow form, in a file or in a tag: both auditors say the same of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.journal.log import Log

from .auditing import TOOLS
from .forms import SHA, changed, often, verdicts
from .making import log_of, needs

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]


@pytest.fixture(scope="module")
def trusting(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(sound, tmp_path_factory.mktemp("anchors") / "root", symlinks=True))


def head(log: Log) -> dict[str, object]:
    entry = log.head()
    assert entry
    return {"environment": "prod", "target": "sandbox", "seq": entry.seq, "sha256": entry.sha256}


def tampered(said: dict[str, object]) -> dict[str, tuple[bytes, bool]]:
    whole = json.dumps(said).encode()
    digest = b'"sha256": "' + SHA.encode() + b'"'
    policy = b'"policy": {"version": 1, ' + digest + b"}"
    return {
        "as it is made": (whole + b"\n", True),
        "another order, no spaces": (
            json.dumps(said, sort_keys=True, separators=(",", ":")).encode() + b"\n\n",
            True,
        ),
        "many spaces": (whole.replace(b":", b"  :  ").replace(b"{", b" { "), True),
        **{
            f"seq {n.decode()}": (whole.replace(b'"seq": 5', b'"seq": ' + n), False)
            for n in (b"5.0", b"5e0", b"0.5e1", b"+5", b"05", b'"5"', b"-5", b"0", b"500000000", b"null", b"NaN")
        },
        "a key twice": (whole.replace(b"{", b'{"seq": 4, '), False),
        "a key twice, instead of another": (whole.replace(b'"target": "sandbox"', b'"seq": 5'), False),
        "a key more": (whole.replace(b"{", b'{"x": 1, '), False),
        "a key less": (whole.replace(b'"target": "sandbox", ', b""), False),
        "an escape": (whole.replace(b"prod", b"\\u0070rod"), False),
        "a policy of null": (whole.replace(b"{", b'{"policy": null, '), False),
        "a policy twice": (whole.replace(b"{", b"{" + policy + b", " + policy + b", "), False),
        "a policy with one key twice": (
            whole.replace(b"{", b"{" + policy.replace(digest, b'"version": 1') + b", "),
            False,
        ),
        "a line's end inside": (whole.replace(b", ", b",\n"), False),
        "a tab": (whole.replace(b", ", b",\t"), False),
        "CR LF": (whole + b"\r\n", False),
        "NUL behind it": (whole + b"\0", False),
        "NUL and more behind it": (whole + b"\0x", False),
        "two anchors": (whole + b"\n" + whole + b"\n", False),
        "nothing": (b"", False),
        "a line's end alone": (b"\n", False),
        "a byte order mark": (b"\xef\xbb\xbf" + whole, False),
        "a record separator": (b"\x1e" + whole, False),
        "no UTF-8": (whole.replace(b"prod", b"pr\xffod"), False),
        "a comment": (whole + b" # x", False),
        "in a list": (b"[" + whole + b"]", False),
        "deep": (b"[" * 5000 + b"]" * 5000, False),
        "deep under a name": (whole.replace(b"{", b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b", "), False),
        "a number": (b"5", False),
    }  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tags")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    git(folder, "init", "-q")
    git(folder, *who, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def git(folder: Path, *words: str, data: bytes = b"") -> bytes:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=60).stdout


def write_tag(folder: Path, name: str, message: bytes) -> None:
    """A tag's object byte by byte: `git tag` would clean the message up."""
    commit = git(folder, "rev-parse", "HEAD").strip().decode()
    about = f"object {commit}\ntype commit\ntag {name}\ntagger t <t@example.org> 1 +0000\n\n"
    made = git(
        folder, "hash-object", "-t", "tag", "-w", "--literally", "--stdin", data=about.encode() + message
    )
    git(folder, "update-ref", f"refs/tags/{name}", made.strip().decode())


@pytest.mark.parametrize(
    "name", tampered({"seq": 5, "sha256": SHA, "target": "sandbox", "environment": "prod"})
)
class TestAnchors:
    def test_both_auditors_agree_about_a_file(self, path: str, trusting: Path, name: str) -> None:
        text, fine = tampered(head(log_of(trusting)))[name]
        file = trusting / "anchor.json"
        file.write_bytes(text)
        expected = "" if fine else "prod anchor"
        assert verdicts(path, trusting, (str(file),))[1:] == (expected, expected)

    def test_both_auditors_agree_about_a_tag(
        self, path: str, trusting: Path, repository: Path, name: str
    ) -> None:
        text, fine = tampered(head(log_of(trusting)))[name]
        write_tag(repository, "roadworthy/sandbox/prod/5", b"Journal\n\n" + text)
        fine |= name.startswith("NUL")  # git's own reading of a message ends there
        expected = "" if fine else "prod anchor"
        assert verdicts(path, trusting, (f"git:{repository}",))[1:] == (expected, expected)


ODD_TAGS = {
    "no text": b"",
    "a subject alone": b"Journal\n",
    "a subject that is the anchor": b"ANCHOR\n",
    "more lines": b"Journal\n\nANCHOR\nand more\n",
    "a line like another tag": b"Journal\n\nANCHOR\nroadworthy/sandbox/prod/5 tag ANCHOR\n",
    "what separates tags for the one auditor": b"Journal\n\nANCHOR\1\n",
    "the same and another tag": b"Journal\n\nANCHOR\1\nroadworthy/sandbox/prod/4\n",
    "an anchor and a line's end before it": b"Journal\n\n\n\nANCHOR\n",
    "no UTF-8": b"Journal\n\n\xffANCHOR\n",
    "spaces behind it": b"Journal\n\nANCHOR" + b" " * 70_000,
}


@pytest.mark.parametrize("message", ODD_TAGS.values(), ids=ODD_TAGS)
def test_a_tag_of_another_text_is_no_anchor(
    path: str, trusting: Path, repository: Path, message: bytes
) -> None:
    whole = json.dumps(head(log_of(trusting))).encode()
    write_tag(repository, "roadworthy/sandbox/prod/5", message.replace(b"ANCHOR", whole))
    fine = message.startswith(b"Journal\n\n\n")  # git leaves out the empty lines before a body
    expected = "" if fine else "prod anchor"
    assert verdicts(path, trusting, (f"git:{repository}",))[1:] == (expected, expected)


def test_a_tag_without_an_object_of_its_own_is_no_anchor(path: str, trusting: Path, repository: Path) -> None:
    whole = json.dumps(head(log_of(trusting)))
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    git(repository, *who, "commit", "-q", "--allow-empty", "-m", f"Journal\n\n{whole}")
    git(repository, "tag", "-f", "roadworthy/sandbox/prod/5")
    assert verdicts(path, trusting, (f"git:{repository}",))[1:] == ("prod anchor", "prod anchor")


@given(data=st.data())
@often
def test_whatever_an_anchor_is_turned_into_both_say_the_same(
    path: str, trusting: Path, data: st.DataObject
) -> None:
    said = {**head(log_of(trusting)), "policy": {"version": 1, "sha256": SHA}}
    file = trusting / "anchor.json"
    for base in (said, head(log_of(trusting))):
        file.write_bytes(data.draw(changed(json.dumps(base).encode() + b"\n")))
        _, python, shell = verdicts(path, trusting, (str(file),))
        assert python == shell
