"""What is hidden in a quoted text, in which forms, and what is not."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from roadworthy.mask import HIDDEN, Mask

SECRET = 's3cr/t+"quoted"=\'ä\\'
FORMS = [
    SECRET,
    repr(SECRET),
    json.dumps(SECRET),
    json.dumps(SECRET, ensure_ascii=False),
    quote(SECRET),
    quote(SECRET, safe=""),
    base64.b64encode(SECRET.encode()).decode(),
    base64.urlsafe_b64encode(SECRET.encode()).decode(),
    SECRET.encode().hex(),
]


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_hidden_in_every_form_and_the_words_around_it_stay(form: str):
    shown = Mask([SECRET])(f"before {form} after {form}")
    assert form.strip("\"'=") not in shown
    assert shown.startswith("before ")
    assert " after " in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("postgres://user:p%40ssword-1@host/db", "p%40ssword-1"),
        ("postgres://user:p%40ssword-1@host/db", "p@ssword-1"),
        ("host=db password=hunter2hunter2 port=5432", "hunter2hunter2"),
        ("AccountName=a;AccountKey=abcdefgh12345678;", "abcdefgh12345678"),
        ("-----BEGIN-----\nfirstlineofit\nsecondline\n", "secondline"),
    ],
)
def test_a_part_that_is_the_secret_itself_is_hidden_too(value: str, part: str):
    assert part not in Mask([value])(f"login with {part} failed")


@pytest.mark.parametrize("end", ["", "...", "…", '..." is no answer'])
def test_a_secret_that_was_cut_off_shows_no_part_of_it(end: str):
    assert Mask(["correct-horse-battery"])(f"token correct-hors{end}") == f"token {HIDDEN}{end}"


def test_short_values_and_other_words_stay():
    mask = Mask(["1", "true", "info", "correct-horse-battery", ""])
    text = "1 is true, says info: correctly, a horse"
    assert mask(text) == text


def test_the_longer_of_two_secrets_leaves_no_rest():
    assert Mask(["abcdefgh", "abcdefgh-and-more"])("abcdefgh-and-more") == HIDDEN
