"""What lies beside a journal has one narrow form: whatever a file is turned into, three readers say the same.

The cases are the corpus: each is a form that one of the readers once read and another did not. `FORMS=N` asks for
more of the random ones.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.errors import UsageError
from roadworthy.journal import audit_text, policy_text

from .auditing import TOOLS
from .forms import MANY, POLICY, changed, often, verdicts
from .making import needs

shells = [pytest.mark.audit, needs("dash", *TOOLS.split())]


WELL, REFUSED = ("", "", ""), ("policy", "trust policy", "trust policy")


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


RULE = b'key = "deployer"\ntarget = "sandbox"\nenvironments = ["*"]\nstages = ["*"]\nactions = ["*"]\n'


def rule(*more: bytes, head: bytes = b"[[rule]]\n") -> bytes:
    return b"version = 2\n" + head + RULE + b"".join(more)


GOOD_POLICIES = {
    "the least": b"version = 1",
    "a rule": rule(),
    "tabs, spaces and comments": b"# \xc3\xa9 \xff\n\t version\t=  12 # x\n [[rule]] # y\n"
    + RULE.replace(b'["*"]', b'[ "a" ,\t"*" ] # "z"'),
    "no end of the last line": rule(b"needs = []"),
    "signs in a text": rule().replace(
        b'stages = ["*"]', b'stages = ["#", "]", "[", "=", ",", " !$%&\'()*+-./:;<>?@^_`{|}~", "*"]'
    ),
}
BAD_POLICIES = {
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf" + rule(),
    "CR LF": rule().replace(b"\n", b"\r\n"),
    "a lone CR": rule(b"# a\rb\n"),
    "NUL": rule(b"# \0\n"),
    "DEL": rule(b"# \x7f\n"),
    "a vertical tab between": rule(b"\x0bneeds = []\n"),
    "a no-break space between": rule(b"\xc2\xa0needs = []\n"),
    "a tab in a text": rule(b'needs = ["a\tb"]\n'),
    "a letter outside of ASCII": rule(b'needs = ["\xc3\xa9"]\n'),
    "no UTF-8 in a text": rule(b'needs = ["\xff"]\n'),
    "an escape": rule(b'needs = ["\\u0061"]\n'),
    "a literal text": rule(b"needs = ['a']\n"),
    "a text of several lines": rule(b'from = """2026-01-01T00:00:00Z"""\n'),
    "a date": rule(b"from = 2026-01-01T00:00:00Z\n"),
    "a quoted key": rule(b'"needs" = []\n'),
    "a dotted key": rule(b"a.b = []\n"),
    "a key with a dash": rule(b"a-b = []\n"),
    "a list over lines": rule(b'needs = [\n"a"\n]\n'),
    "a comma at the end": rule(b'needs = ["a",]\n'),
    "no comma": rule(b'needs = ["a" "b"]\n'),
    "a list in a list": rule(b'needs = [["a"]]\n'),
    "a number in a list": rule(b"needs = [1]\n"),
    "deep lists": rule(b"needs = " + b"[" * 5000 + b"]" * 5000 + b"\n"),
    "two values": rule(b"needs = [] []\n"),
    "no value": rule(b"needs =\n"),
    "true": rule(b"needs = true\n"),
    "a key twice": rule(b'key = "deployer"\n'),
    "an unknown key": rule(b'extra = "x"\n'),
    "spaces in a header": rule(head=b"[[ rule ]]\n"),
    "a plain table": rule(head=b"[rule]\n"),
    "a quoted header": rule(head=b'[["rule"]]\n'),
    "a header with a key behind it": rule(head=b"[[rule]] a = []\n"),
    "an inline table": b"version = 2\nrule = [{key = 'deployer'}]\n",
    "an empty list of tables": b"version = 2\nrule = []\n",
    "a table of another name": rule(b"[[rules]]\n"),
    "version as a text": rule().replace(b"2", b'"2"', 1),
    **{
        f"version {number.decode()}": rule().replace(b"2", number, 1)
        for number in (b"+2", b"02", b"0x2", b"1_0", b"2.0", b"2e0", b"0", b"-2")
    },
    "version of ten digits": rule().replace(b"2", b"1" * 10, 1),
    "version twice": b"version = 2\n" + rule(),
    "version in a table": RULE.replace(b"key", b"[[rule]]\nversion = 2\nkey", 1),
    "version after a table": rule(b"version = 3\n"),
    "an impossible form of a time": rule(b'from = "2026-01-01 00:00:00"\n'),
    "a key in a list": rule().replace(b'"deployer"', b'["deployer"]'),
}  # fmt: skip


@pytest.mark.parametrize("text", GOOD_POLICIES.values(), ids=GOOD_POLICIES)
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


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        *(pytest.param(text, True, id=name) for name, text in GOOD_POLICIES.items()),
        *(pytest.param(text, False, id=name) for name, text in BAD_POLICIES.items()),
    ],
)
class TestPolicies:
    pytestmark = shells

    def test_three_readers_agree_about_a_policy(
        self, path: str, open_trust: Path, text: bytes, fine: bool
    ) -> None:
        (open_trust / "trust/trust.toml").write_bytes(text)
        assert verdicts(path, open_trust) == (WELL if fine else REFUSED)


def key_line(root: Path) -> bytes:
    return (root / "keys/stranger.pub").read_bytes().split(b" ")[1]


KEYS = {
    "as it is made": (b"ssh-ed25519 %s stranger\n", True),
    "without a comment": (b"ssh-ed25519 %s\n", True),
    "without an end of the line": (b"ssh-ed25519 %s a b", True),
    "a comment in UTF-8 and in none": (b"ssh-ed25519 %s  \xc3\xa9 \xff\x85\n", True),
    "two spaces": (b"ssh-ed25519  %s\n", False),
    "a space before it": (b" ssh-ed25519 %s\n", False),
    "a tab": (b"ssh-ed25519\t%s\n", False),
    "a tab in the comment": (b"ssh-ed25519 %s a\tb\n", False),
    "CR LF": (b"ssh-ed25519 %s\r\n", False),
    "CR LF after a comment": (b"ssh-ed25519 %s a\r\n", False),
    "a lone CR": (b"ssh-ed25519 %s a\rb\n", False),
    "NUL": (b"ssh-ed25519 %s a\0b\n", False),
    "NUL in the key": (b"ssh-ed25519 \0%s\n", False),
    "an escape sequence": (b"ssh-ed25519 %s \x1b[2J\n", False),
    "two lines": (b"ssh-ed25519 %s\nx", False),
    "an empty line before it": (b"\nssh-ed25519 %s\n", False),
    "an empty line after it": (b"ssh-ed25519 %s\n\n", False),
    "a byte order mark": (b"\xef\xbb\xbfssh-ed25519 %s\n", False),
    "options": (b"no-pty ssh-ed25519 %s\n", False),
    "padding": (b"ssh-ed25519 %s=\n", False),
    "more after the key": (b"ssh-ed25519 %sAAAA\n", False),
    "nothing": (b"", False),
    "a line's end": (b"\n", False),
    "another kind": (b"ssh-rsa %s\n", False),
}


@pytest.mark.parametrize(("form", "fine"), KEYS.values(), ids=KEYS)
class TestKeys:
    pytestmark = shells

    def test_three_readers_agree_about_a_key(
        self, path: str, open_trust: Path, form: bytes, fine: bool
    ) -> None:
        (open_trust / "trust/stranger.pub").write_bytes(form.replace(b"%s", key_line(open_trust)))
        assert verdicts(path, open_trust) == (WELL if fine else REFUSED)


PLACES: dict[str, Callable[[Path], object]] = {
    "a link to nothing": lambda file: file.symlink_to("nowhere"),
    "a pipe": os.mkfifo,
    "a link to a pipe": lambda file: [os.mkfifo(file.with_name(".pipe")), file.symlink_to(".pipe")],
    "a folder": lambda file: file.mkdir(),
    "a device": lambda file: file.symlink_to("/dev/zero"),
    "too big": lambda file: file.write_bytes(b"# x\n" * (1 << 18) + b"#"),
}


@pytest.mark.parametrize("name", ["trust.toml", "x.pub"])
@pytest.mark.parametrize("put", PLACES.values(), ids=PLACES)
class TestPlaces:
    pytestmark = shells

    def test_three_readers_refuse_what_is_no_file_and_wait_for_nobody(
        self, path: str, root: Path, put: Callable[[Path], object], name: str
    ) -> None:
        put(root / "trust" / name)
        assert verdicts(path, root) == REFUSED


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
