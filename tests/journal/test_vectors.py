"""One table of test vectors, which everything that reads a journal must pass: the reader and both auditors.

docs/journal-format.md describes them. `python -m journal.vectors.generate`, in `tests`, writes them anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadworthy.errors import RoadworthyError
from roadworthy.journal.audit import audit, read_anchors
from roadworthy.journal.audit_entry import Bad
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust
from roadworthy.journal.store import Folder

from .auditing import TOOLS, run
from .making import needs
from .vectors import testkit
from .vectors.generate import texts
from .vectors.testkit import Vector

NAMES = sorted(str(path.relative_to(testkit.FOLDER)) for path in testkit.FOLDER.glob("*/*.txt"))

NAMED_OTHERWISE = {
    "good-heads/a-key-that-was-revoked-and-a-log-that-ends-before-its-head.txt": "the number alone",
    "good-heads/a-rule-that-is-over-and-a-log-that-ends-before-its-head.txt": "the number alone",
    "loss/after-which-the-log-goes-on-at-1002.txt": "the entry that is missing",
    "proof/in-a-log-that-is-a-link.txt": "the file that it could not read",
    "proof/that-is-a-link.txt": "the file that it could not read",
    "proof/that-is-too-big.txt": "the file that it could not read",
}
"""Where the reader refuses the same and names something else than the auditors."""


def vector_of(name: str) -> Vector:
    return testkit.read((testkit.FOLDER / name).read_bytes().decode())


def judged_by_reader(vector: Vector, root: Path) -> str:
    """What it says when it refuses, "" when it reads all of it."""
    target, environment = vector.log.split("/")
    try:
        trust = Trust.load(root / "trust")
        log = Log(
            Folder(root / "journal"),
            environment=environment,
            target=target,
            signer=None,
            trust=trust,
            clock=lambda: datetime.now(UTC),
        )
        log.entries()
    except RoadworthyError as error:
        assert "\n" not in str(error)
        return str(error)
    return ""


def judged_by_python(vector: Vector, root: Path) -> tuple[str, str]:
    """File and code of the first finding; nothing when all is well."""
    try:
        anchors = [one for source in vector.anchors for one in read_anchors(str(root / source), vector.log)]
    except Bad as bad:
        return vector.log.partition("/")[2], bad.code
    if vector.anchors and not any(one.place == vector.log for one in anchors):
        return vector.log.partition("/")[2], "anchor"  # the command says so of all journals
    found = audit(root / "journal" / vector.log, root / "trust", anchors, processes=1)
    return (found[0].name, found[0].code) if found else ("", "")


def judged_by_shell(vector: Vector, root: Path, path: str) -> tuple[str, str]:
    options = [word for source in vector.anchors for word in ("--anchor", root / source)]
    done = run(path, root / "journal" / vector.log, "--trust", root / "trust", *options)
    if done.returncode == 0:
        assert done.stdout.startswith("audit: ") and not done.stderr, done
        return "", ""
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    word, file, code, _ = line.split(": ", 3)
    assert word == "audit"
    return file, code


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.mark.parametrize("name", NAMES)
def test_reader_and_auditor(folder: Path, name: str) -> None:
    vector, root = vector_of(name), folder / name.removesuffix(".txt")
    testkit.lay_out(vector, root)
    assert judged_by_python(vector, root) == (vector.file, vector.reason)
    refused = judged_by_reader(vector, root)
    assert bool(refused) == (vector.reader == "bad"), refused
    if refused and vector.file not in ("trust", "prod") and name not in NAMED_OTHERWISE:
        assert vector.file in refused


@pytest.fixture(scope="module")
def by_shell(
    request: pytest.FixtureRequest, folder: Path, path: str
) -> Iterator[Callable[[str], tuple[str, str]]]:
    """What audit.sh says of one. All are asked on every core, unless pytest-xdist shares the tests out."""

    def ask(name: str) -> tuple[str, str]:
        vector, root = vector_of(name), folder / f"shell-{name.removesuffix('.txt').replace('/', '-')}"
        testkit.lay_out(vector, root)
        return judged_by_shell(vector, root, path)

    items = [item for item in request.session.items if item.name.startswith("test_shell_auditor[")]
    names = (
        [] if "PYTEST_XDIST_WORKER" in os.environ else [item.name.partition("[")[2][:-1] for item in items]
    )
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    asked = {name: pool.submit(ask, name) for name in names}
    yield lambda name: asked[name].result() if name in asked else ask(name)
    pool.shutdown(cancel_futures=True)


@pytest.mark.audit
@needs("dash", *TOOLS.split())
@pytest.mark.parametrize("name", NAMES)
def test_shell_auditor(by_shell: Callable[[str], tuple[str, str]], name: str) -> None:
    vector = vector_of(name)
    assert by_shell(name) == (vector.file, vector.reason)


def test_the_files_are_what_the_generator_writes() -> None:
    written = texts()
    assert sorted(written) == NAMES
    for name, text in written.items():
        assert (testkit.FOLDER / name).read_bytes().decode() == text, name


def test_the_page_names_every_rule_and_every_reason() -> None:
    page = (Path(__file__).parents[2] / "docs" / "journal-format.md").read_text()
    vectors = [vector_of(name) for name in NAMES]
    rules = re.findall(r"^- \*\*`([a-z-]+)`\*\*", page, re.MULTILINE)
    table = page.partition("| reason |")[2].partition("\n\n")[0]
    reasons = re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)
    assert sorted(rules) == sorted({vector.rule for vector in vectors})
    assert sorted(reasons) == sorted({vector.reason for vector in vectors} - {""})
