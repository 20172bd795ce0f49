"""The keys of production are found wherever somebody wrote them, and count from the environment only."""

import os
import re
from itertools import product

import pytest

from roadworthy import keys
from roadworthy.errors import UsageError
from roadworthy.keys import load_env, read_keys
from roadworthy.model import Keys


def test_keys_come_from_the_process_environment(tmp_path):
    environ = {"ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
    assert read_keys(tmp_path, environ) == Keys("1", "YES", ())
    assert read_keys(tmp_path, {}) == Keys("", "", ())


@pytest.mark.parametrize(
    "line",
    [
        "ALLOW_PROD=1",
        "ALLOW_PROD_DEPLOY=YES",
        "export ALLOW_PROD=1",
        "  export   ALLOW_PROD = '1'",
        'ALLOW_PROD="1" # for now',
        "'ALLOW_PROD'=1",
        "ALLOW_PROD=",
        "ALLOW_PROD",
        "ALLOW_PROD=0",
        "A=1\nB='two\nlines'\nALLOW_PROD=1",
        "\ufeffALLOW_PROD=1",
    ],
)
def test_a_key_in_the_env_file_is_misplaced_and_gives_nothing(tmp_path, line):
    (tmp_path / ".env").write_text(line + "\n")
    assert read_keys(tmp_path, {}) == Keys("", "", (".env",))
    assert read_keys(tmp_path, {"ALLOW_PROD": "1"}).misplaced == (".env",)
    assert not {"ALLOW_PROD", "ALLOW_PROD_DEPLOY"} & load_env(tmp_path, {}).keys()


@pytest.mark.parametrize(
    "line",
    ["# ALLOW_PROD=1", "ALLOW_PRODUCTION=1", "NOTE='say ALLOW_PROD=1 yourself'", "A='x\nALLOW_PROD=1\n'", ""],
)
def test_what_only_looks_like_a_key_in_the_env_file_is_none(tmp_path, line):
    (tmp_path / ".env").write_text(line + "\n")
    assert read_keys(tmp_path, {}).misplaced == ()


@pytest.mark.parametrize(
    "line",
    [
        "ALLOW_PROD = 1",
        "allow_prod = true",
        "[environments.prod]\nALLOW_PROD_DEPLOY = 'YES'",
        "[env]\nx = { 'ALLOW_PROD' = 1 }",
        "[commands]\nmigrate = 'ALLOW_PROD=1 invoke migrate'",
        "[commands]\nwords = ['env', ['ALLOW_PROD=1']]",
        "[ALLOW_PROD]",
    ],
)
def test_a_key_in_release_toml_is_misplaced(tmp_path, line):
    (tmp_path / "release.toml").write_text(line + "\n")
    assert read_keys(tmp_path, {"ALLOW_PROD": "1"}) == Keys("1", "", ("release.toml",))


def test_a_comment_in_release_toml_may_explain_the_keys(tmp_path):
    (tmp_path / "release.toml").write_text(
        "schema = 1 # ALLOW_PROD=1\n# ALLOW_PROD_DEPLOY\nx = '# ALLOW_PRODS'\n"
    )
    assert read_keys(tmp_path, {}).misplaced == ()


def test_both_files_are_named(tmp_path):
    (tmp_path / "release.toml").write_text("ALLOW_PROD = 1\n")
    (tmp_path / ".env").write_text("ALLOW_PROD=1\n")
    assert read_keys(tmp_path, {}).misplaced == (".env", "release.toml")


def unreadable(path):
    path.write_bytes(b"A=\xff\xfe\n")


def folder(path):
    path.mkdir()


def huge(path):
    path.write_bytes(b"#" * ((1 << 20) + 1))


def pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [*product([".env", "release.toml"], [unreadable, huge, pipe]), ("release.toml", folder)],
)
def test_a_file_that_cannot_be_read_may_hold_a_key_so_it_stops(tmp_path, name, spoil):
    spoil(tmp_path / name)
    with pytest.raises(UsageError, match=re.escape(name)):
        read_keys(tmp_path, {})


def test_a_pipe_is_named_and_nobody_waits_for_its_writer(tmp_path):
    pipe(tmp_path / ".env")
    for read in (read_keys, load_env):
        with pytest.raises(
            UsageError, match=r"^\.env cannot be read: it is a named pipe; put a regular file there"
        ):
            read(tmp_path, {})


def test_a_folder_of_that_name_is_a_virtual_environment_and_holds_no_key(tmp_path):
    folder(tmp_path / ".env")
    assert read_keys(tmp_path, {}).misplaced == ()
    assert load_env(tmp_path, {"A": "1"}) == {"A": "1"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('A=1\nB="x\nC=2\n', r"\.env:2: the quote \" is never closed"),
        ("export A='x\n", r"\.env:1: the quote ' is never closed"),
        ('A=1\nB="x" y\n', r"\.env:2: "),
        ("A=1\n=2\n", r"\.env:2: not NAME=value"),
    ],
)
def test_a_line_that_is_none_is_named_with_what_is_wrong(tmp_path, text, why):
    (tmp_path / ".env").write_text(text)
    with pytest.raises(UsageError, match=why):
        load_env(tmp_path, {})


def test_a_release_toml_that_is_no_toml_stops_with_its_line(tmp_path):
    (tmp_path / "release.toml").write_text("schema = 1\nALLOW_PROD\n")
    with pytest.raises(UsageError, match=r"release\.toml:2: "):
        read_keys(tmp_path, {})


def test_the_env_file_adds_what_the_process_does_not_say(tmp_path):
    (tmp_path / ".env").write_text("A=file\nB=file\nC='${A} as written'\nD\nINVOKE_RUN_ECHO=1\ninvoke_x=1\n")
    assert load_env(tmp_path, {"A": "process", "INVOKE_Y": "1", "ALLOW_PROD": "1"}) == {
        "A": "process",
        "B": "file",
        "C": "${A} as written",
        "INVOKE_Y": "1",
        "ALLOW_PROD": "1",
    }


def test_without_an_env_file_the_environment_is_the_process_and_a_copy(tmp_path):
    environ = {"A": "1"}
    loaded = load_env(tmp_path, environ)
    assert loaded == environ and loaded is not environ


def test_a_file_may_be_as_long_as_the_limit_and_no_longer(tmp_path):
    line = "ALLOW_PROD=1\n"
    path = tmp_path / keys.ENV_FILE
    path.write_text(line + "#" * (keys.MOST - len(line)))
    assert keys.read_keys(tmp_path, {}).misplaced
    path.write_text(line + "#" * (keys.MOST - len(line) + 1))
    with pytest.raises(UsageError, match="longer than"):
        keys.read_keys(tmp_path, {})
