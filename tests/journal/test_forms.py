"""What lies beside a journal has one narrow form: whatever a file is turned into, three readers say the same.

The forms themselves are among the test vectors; here are random ones, of which `FORMS=N` asks for more.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import UsageError
from roadworthy.journal import audit_text, policy_text

from .auditing import TOOLS
from .forms import MANY, POLICY, changed, often, verdicts
from .making import needs
from .vectors.of_trust import GOOD_TEXTS

shells = [pytest.mark.audit, needs("dash", *TOOLS.split())]


@pytest.fixture(scope="module")
def trusting(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(shutil.copytree(sound, tmp_path_factory.mktemp("forms") / "root", symlinks=True))
    shutil.copy(root / "keys/stranger.pub", root / "trust")
    return root


@pytest.fixture
def open_trust(trusting: Path) -> Iterator[Path]:
    """The same folder for all examples: each begins with the sound keys and no policy."""
    yield trusting
    (trusting / "trust/trust.toml").unlink(missing_ok=True)
    shutil.copy(trusting / "keys/stranger.pub", trusting / "trust")


@pytest.mark.parametrize("text", GOOD_TEXTS.values(), ids=GOOD_TEXTS)
def test_what_the_format_allows_means_what_toml_means(text: bytes) -> None:
    said = tomllib.loads(text.decode(errors="replace"))
    assert policy_text.parse(Path("trust.toml"), text) == said
    assert audit_text.policy(text) == {"rule": [], "revoked": [], **said}


@given(changed(POLICY))
@settings(max_examples=20 * MANY, deadline=None)
def test_the_writer_and_the_audit_read_the_same_values_as_toml_or_both_refuse(text: bytes) -> None:
    try:
        read = policy_text.parse(Path("trust.toml"), text)
    except UsageError as error:
        assert str(error).startswith("trust.toml:") and str(error).isprintable()
        with pytest.raises(ValueError, match=r"^(line|it has)"):
            audit_text.policy(text)
        return
    if "version" in read:
        assert audit_text.policy(text) == {"rule": [], "revoked": [], **read}
    if b"\xff" not in text:  # only a comment can hold it here
        try:
            assert tomllib.loads(text.decode()) == read
        except UnicodeDecodeError:
            assert all(b"#" in line for line in text.split(b"\n") if not line.isascii())


class TestWhateverItIsTurnedInto:
    """The writer may trust what an entry then does not keep to, so only its refusals are compared."""

    pytestmark = shells

    @given(data=st.data())
    @often
    def test_three_readers_agree(self, path: str, open_trust: Path, data: st.DataObject) -> None:
        key = (open_trust / "keys/stranger.pub").read_bytes()
        (open_trust / "trust/trust.toml").write_bytes(data.draw(st.just(POLICY) | changed(POLICY)))
        (open_trust / "trust/stranger.pub").write_bytes(data.draw(st.just(key) | changed(key)))
        writer, python, shell = verdicts(path, open_trust)
        assert python == shell and (writer == "policy") == (shell == "trust policy")


@pytest.mark.parametrize(
    ("text", "line"),
    [(b"nonsense\n", 1), (b"version = 1\n\n# x\nnonsense\n", 4), (b"version = 1\nversion = 1\n", 2)],
)
def test_the_audit_names_the_line_of_a_policy_that_is_none(text: bytes, line: int) -> None:
    with pytest.raises(ValueError, match=f"^line {line} is no part of the format"):
        audit_text.policy(text)
