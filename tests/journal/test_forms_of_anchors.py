"""An anchor in a tag is the same line of JSON as in a file, whose forms are among the test vectors."""

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
from .vectors.generate import VECTORS
from .vectors.of_anchors import BAD_ANCHORS, GOOD_ANCHORS, WHOLE
from .vectors.testkit import lay_out

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]


@pytest.fixture(scope="module")
def trusting(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(sound, tmp_path_factory.mktemp("anchors") / "root", symlinks=True))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of one entry that the vectors' anchors are of."""
    root = tmp_path_factory.mktemp("one")
    lay_out(VECTORS["anchor/as-it-is-made.txt"], root)
    return root


def head(log: Log) -> dict[str, object]:
    entry = log.head()
    assert entry
    return {"environment": "prod", "target": "sandbox", "seq": entry.seq, "sha256": entry.sha256}


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
    "text", [*GOOD_ANCHORS.values(), *BAD_ANCHORS.values()], ids=[*GOOD_ANCHORS, *BAD_ANCHORS]
)
def test_both_auditors_agree_about_a_tag(path: str, one: Path, repository: Path, text: bytes) -> None:
    write_tag(repository, "roadworthy/sandbox/prod/1", b"Journal\n\n" + text)
    # git's own reading of a message ends at a NUL
    expected = "" if text.partition(b"\0")[0] in (*GOOD_ANCHORS.values(), WHOLE) else "prod anchor"
    assert verdicts(path, one, (f"git:{repository}",))[1:] == (expected, expected)
    git(repository, "update-ref", "-d", "refs/tags/roadworthy/sandbox/prod/1")


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
