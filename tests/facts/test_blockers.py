"""docs/blockers.toml is read strictly: what is not understood may be a blocker."""

import tomllib
from pathlib import Path

import pytest

from roadworthy.errors import UsageError
from roadworthy.facts.blockers import read_blockers
from roadworthy.model import Blocker, MissingFact

ROOT = Path(__file__).resolve().parents[2]
ROW = '[[blocker]]\nid = "7"\npriority = "P1"\nsummary = "Payments fail"\n'


def write(tmp_path, text):
    path = tmp_path / "docs" / "blockers.toml"
    path.parent.mkdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_problems_are_read_in_their_order(tmp_path):
    path = write(tmp_path, ROW + ROW.replace("7", "3").replace("P1", "P0"))
    assert read_blockers(path) == (Blocker("7", "P1", "Payments fail"), Blocker("3", "P0", "Payments fail"))


def test_an_empty_list_says_that_somebody_looked(tmp_path):
    assert read_blockers(write(tmp_path, "blocker = []\n")) == ()


def test_this_repositorys_own_list_can_be_read_and_gets_a_row_more(tmp_path):
    """It is mostly empty: what is found must be what stands there, also when somebody adds a problem."""
    text = (ROOT / "docs" / "blockers.toml").read_text()
    rows = tomllib.loads(text)["blocker"]
    written = tuple(Blocker(row["id"], row["priority"], row["summary"]) for row in rows)
    assert read_blockers(write(tmp_path, text)) == written
    (tmp_path / "docs" / "blockers.toml").write_text(text.replace("blocker = []\n", "") + ROW)
    assert read_blockers(tmp_path / "docs" / "blockers.toml") == (
        *written,
        Blocker("7", "P1", "Payments fail"),
    )


def test_a_missing_file_is_a_missing_fact_and_says_what_to_write(tmp_path):
    with pytest.raises(MissingFact, match=r"no docs/blockers.toml: write one with `blocker = \[\]`"):
        read_blockers(tmp_path / "docs" / "blockers.toml")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "blocker"),
        ("# nothing\n", "blocker"),
        ("blockers = []\n", "blockers"),
        (ROW.replace("P1", "P2"), "P2"),
        (ROW.replace("P1", "p1"), "p1"),
        (ROW.replace("priority", "prio"), "prio"),
        (ROW + "owner = 'me'\n", "owner"),
        (ROW.replace('"7"', "7"), "int"),
        (ROW.replace('"7"', '""'), "length"),
        (ROW.replace('"7"', '" "'), "plain text"),
        (ROW.replace("Payments", "Pay\\nments"), "plain text"),
        (ROW.replace("fail", "fail\\u001b[2J"), "plain text"),
        (ROW.replace("Payments", "P" * 200), "length"),
        (ROW.replace('summary = "Payments fail"\n', ""), "summary"),
        (ROW.replace("[[", "["), "blocker"),
        (ROW + "[[", "Invalid"),
        (b"blocker = [] # \xff\n", "utf-8"),
        (b"#" * ((1 << 20) + 1), "longer"),
    ],
)
def test_anything_that_is_not_known_is_refused_in_one_line(tmp_path, text, word):
    with pytest.raises(UsageError) as caught:
        read_blockers(write(tmp_path, text))
    said = str(caught.value)
    assert said.startswith("docs/blockers.toml") and word in said and "\n" not in said


def test_a_folder_in_its_place_is_refused(tmp_path):
    (tmp_path / "blockers.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_blockers(tmp_path / "blockers.toml")
