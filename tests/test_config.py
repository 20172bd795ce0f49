"""`release.toml`: every mistake is one line that names its place; whatever the bytes, nothing else happens."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy import config, toml
from roadworthy.errors import UsageError

ROOT = Path(__file__).parents[1]
GOOD = (ROOT / "release.toml").read_text()


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) >= 1, old
    return GOOD.replace(old, new, 1)


def at(text: str, start: str) -> int:
    """The number of the first line that begins like this."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith(start))


def mistake_in(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        config.parse(text)
    said = str(caught.value)
    assert said.isprintable() and len(said) < 500, said
    return said


def test_our_own_file_is_read_whole():
    read = config.read(ROOT)
    assert read.target == "sandbox"
    assert read.environments["prod"].production and read.environments["prod"].certified_in == "staging"
    assert (read.environments["prod"].watch, read.targets["sandbox"].watch) == (120, 1)
    assert [check.name for check in read.checks] == ["health", "csrf", "me", "version"]
    assert len(read.logs.rules) == 9


STAGING, PROD = 'app = "autorisen"', 'app = "capecraft"'
SLUG, IMAGE = 'kind = "slug"', 'kind = "image"\nrepository = "ns/app"'
WORKER = '\n[[components]]\ncomponent = "worker"\npath = "worker"\ntest = "true"\n'
APP_OF = 'apps = { worker = "%s-worker" }'
# What is replaced, by what, how the line that is named begins, and what is said of it.
MISTAKES = {
    "unknown key at the top": ("schema = 1", "schema = 1\nnope = 1", "nope", "nope: unknown key: expected schema"),
    "unknown table": ("[blockers]", "[blocker]", "[blocker]", "blocker: unknown key"),
    "unknown key of project": ('name = "capecontrol"', 'nome = "capecontrol"', "nome", "expected name"),
    "unknown key of package": ('kind = "slug"', 'kind = "slug"\nx = 1', "x =", "package.x: unknown key"),
    "unknown key of commands": ("[commands]", "[commands]\nx = 1", "x =", "expected test, migrate, revision"),
    "unknown key of a target": ("[targets.live]", "[targets.live]\nx = 1", "x =", "targets.live.x: unknown key"),
    "unknown key of an environment": ("production = true", "prodduction = true", "prodd", "prod.prodduction"),
    "unknown key of limits": ("[limits]", '[limits]\nx = "1s"', "x =", "limits.x: unknown key: expected http"),
    "too large a share": ("errors = 5 ", "errors = 101 ", "errors", "watch.errors: 101 is not a number of"),
    "negative share": ("errors = 5 ", "errors = -1 ", "errors", "expected 0 to 100"),
    "factor that forgives nothing": ("slower = 2 ", "slower = 0 ", "slower", "watch.slower: 0 is not a factor"),
    "half a factor": ("slower = 2 ", "slower = 1.5 ", "slower", "expected int, got float"),
    "window of no time": ('watch = "2m"', 'watch = "0s"', 'watch = "0s"', "is not a duration"),
    "window without a question": (
        GOOD[GOOD.index("[[checks]]") : GOOD.index("# ---- what must not stand")],
        '[[checks]]\nname = "a"\npath = "/"\nmethod = "POST"\n',
        'watch = "2m"',
        "there is no check to repeat: declare one of GET, HEAD, OPTIONS",
    ),
    "window that is no guest": ('watch_every = "2s"', 'watch_every = "1ms"', 'watch_every = "1ms"', "at least 1"),
    "acceptance at a path": (
        "[acceptance] ",
        '[acceptance]\nforward_url = "https://a.example.com/x"\n# ',
        "forward_url",
        "expected scheme and host",
    ),
    "live router told": ('watch_every = "2s"', "forward_urls = true", "forward_urls", "for the sandbox"),
    "pointer that is none": ("json = { status =", 'json = { "/a~2b" =', "json", "'/a~2b' is not a JSON Pointer"),
    "a host": ('name = "csrf"', 'name = "csrf"\nsend = { Host = "x" }', "send", "must not be set by a check"),
    "header of blanks": ('name = "csrf"', 'name = "csrf"\nsend = { A = " 1" }', "send", "A is not a header value"),
    "secret in the file": (
        'name = "csrf"',
        'name = "csrf"\nsend_from = { Authorization = "Bearer abc" }',
        "send_from",
        "Authorization needs the name of a variable, never its value",
    ),
    "header sent twice": (
        'name = "csrf"',
        'name = "csrf"\nsend = { A = "1" }\nsend_from = { a = "B" }',
        "send_from",
        "a is there already",
    ),
    "unknown key of a check": ('name = "csrf"', 'name = "csrf"\nx = 1', "x =", "checks.x: unknown key"),
    "unknown key of the third check": ('name = "me"', 'name = "me"\nx = 1', "x =", "checks.x"),
    "unknown key of logs": ("[blockers]", "[logs]\nx = 1\n[blockers]", "x =", "logs.x: unknown key"),
    "unknown key of a log rule": ('name = "worker timeout"', 'name = "w"\nx = 1', "x =", "expected name, pattern"),
    "unknown key of blockers": ("[blockers]", "[blockers]\nx = 1", "x =", "blockers.x: unknown key: expected file"),
    "unknown key of github": (
        "[blockers]",
        '[github]\nrepository = "a/b"\ncheck = "c"\nx = 1\n[blockers]',
        "x =",
        "github.x",
    ),
    "unknown key with a space": ("schema = 1", 'schema = 1\n"a b" = 1', '"a b"', "a b: unknown key"),
    "missing key": ("schema = 1", "", "", "the key 'schema' is missing"),
    "missing table": ("[project]", "[projekt]", "[projekt]", "projekt: unknown key"),
    "missing app": (STAGING, "", "[environments.staging]", "the key 'app' is missing"),
    "missing name of a check": ('name = "csrf"', "", "[[checks]]", "the key 'name' is missing"),
    "text for a number": ("schema = 1", 'schema = "1"', "schema", "expected int, got str"),
    "text for yes or no": ("production = true", 'production = "true"', "production", "expected bool, got str"),
    "number for text": (STAGING, "app = 3", "app = 3", "expected str, got int"),
    "text for a list": (
        'aliases = ["autorisen-dac8e65796e7"]',
        'aliases = "x"',
        "aliases",
        "expected array, got str",
    ),
    "value for a table": ("schema = 1", "schema = 1\ngithub = 3", "github", "got int"),
    "text for a number in a check": ("status = 401", 'status = "401"', "status =", "checks.status: expected int"),
    "huge number": ("schema = 1", "schema = 99999999999999999999999", "schema", ""),
    "endless number": ("schema = 1", "schema = " + "9" * 1900, "schema", ""),
    "other schema": ("schema = 1", "schema = 2", "schema", "2 is not known: expected 1"),
    "same key twice": ("schema = 1", "schema = 1\nschema = 1", "schema", "Cannot overwrite"),
    "same table twice": ("[blockers]", "[limits]\n[blockers]", "[limits]", "Cannot declare"),
    "no closing quote": ('name = "capecontrol"', 'name = "cape', 'name = "cape', "Illegal character"),
    "no closing bracket": ("[project]", "[project", "[project", "Expected"),
    "cut off": ('# check = "test"', 'x = "', 'x = "', ""),
    "NUL": ("schema = 1", "schema = 1\n\0", "\0", "Invalid statement"),
    "unknown target": ('target = "sandbox"', 'target = "prod"', "target", "unknown target 'prod'"),
    "unknown kind": ('kind = "slug"', 'kind = "snap"', "kind", "expected 'slug' or 'image'"),
    "image key for a slug": (SLUG, f'{SLUG}\nengine = "podman"', "engine", 'this is for kind = "image"'),
    "repository with a tag": (SLUG, 'kind = "image"\nrepository = "ns/app:1"', "repository", "is no repository"),
    "unknown engine": (SLUG, f'{IMAGE}\nengine = "kaniko"', "engine", "expected docker, podman, buildah"),
    "unknown platform of an image": (SLUG, f'{IMAGE}\nplatforms = ["amd64"]', "platforms", "such as linux/amd64"),
    "our own build argument": (SLUG, f'{IMAGE}\nbuild_args = {{ GIT_SHA = "1" }}', "build_args", "GIT_SHA is ours"),
    "registry of another machine": (
        '[targets.sandbox]', '[targets.sandbox]\nregistry = "registry.example:5000"', "registry", "of this machine"
    ),
    "registry of a live target": (
        '[targets.live]', '[targets.live]\nregistry = "127.0.0.1:5000"', "registry", "for the sandbox"
    ),
    "dockerfile outside": (SLUG, f'{IMAGE}\ndockerfile = "../Dockerfile"', "dockerfile", "inside its path"),
    "unknown platform": ('platform = "heroku"\napi', 'platform = "x"\napi', 'platform = "x"', "expected 'heroku'"),
    "live without encryption": ('api = "https:', 'api = "http:', "api", "begins with https://"),
    "live with a password": ("https://api.heroku.com", "https://u:p@api.heroku.com", "api", "https://"),
    "live without an address": ('api = "https://api.heroku.com"', "", "[targets.live]", "https://"),
    "address for the sandbox": ("[targets.sandbox]", '[targets.sandbox]\napi = "https://x.org"', "api", "remove"),
    "no environment": (GOOD[GOOD.index("[environments.st") : GOOD.index("[limits]")], "[environments]\n", "[e", ""),
    "environment name": ("[environments.staging]", '[environments."sta ging"]', '[environments."sta', "lower-case"),
    "own certificate": ('certified_in = "staging"', 'certified_in = "prod"', "certified_in", "for itself"),
    "unknown certifier": ('certified_in = "staging"', 'certified_in = "x"', "certified_in", "unknown environment"),
    "production app under another name": (STAGING, PROD, "app", "'capecraft' names"),
    "alias that is another's app": ('["autorisen-dac8e65796e7"]', '["autorisen"]', "app", "'autorisen' names"),
    "alias that is another's name": ('["autorisen-dac8e65796e7"]', '["staging"]', "app", "'staging' names"),
    "url without a host": ('url = "https://dev.cape-control.com"', 'url = "https://"', "url", "such as https://"),
    "url of another kind": ('url = "https://dev.cape-control.com"', 'url = "file:///x"', "url", "such as https://"),
    "package outside": ('path = "app" ', 'path = "../app"', 'path = "../app"', "below the project"),
    "package at the root": ('path = "app" ', 'path = "/etc"', 'path = "/etc"', "below the project"),
    "migrations outside": ('"migrations/versions"', '"a/../../b"', "migrations", "below the project"),
    "blockers outside": ('"docs/blockers.toml"', '"../x"', "file", "inside the project"),
    "no test command": ('test = "python -m pytest -q tests"', 'test = " "', "test", "the command is empty"),
    "quote left open": ('"python -m capecontrol.revision"', "\"python 'x\"", "revision", "not valid shell words"),
    "escape in a command": ('"python -m capecontrol.revision"', '"a\\rb"', "revision", "control characters"),
    "escape in a name": ('name = "csrf"', 'name = "\\u001b[2J"', "name", "control characters"),
    "newline in a key": ("schema = 1", 'schema = 1\n"a\\nb" = 1', "", "control characters"),
    "check that leaves the site": ('path = "/api/auth/csrf"', 'path = "http://x/"', "path", "begins with /"),
    "check with a space": ('path = "/api/auth/csrf"', 'path = "/a b"', "path", "without spaces"),
    "check of odd method": ('name = "csrf"', 'name = "csrf"\nmethod = "get it"', "method", "not an HTTP method"),
    "check with an odd status": ("status = 401", "status = 1000", "status = 1000", "not an HTTP status"),
    "check with an odd header": ('"cache-control" =', '"cache control" =', "headers", "'cache control'"),
    "check with an odd cookie": ('["csrf_token"]', '["a;b"]', "cookies", "'a;b'"),
    "two checks of one name": ('name = "csrf"', 'name = "health"', "name", "is there already"),
    "not a regular expression": ("'WORKER TIMEOUT'", "'('", "pattern = '('", "not a regular expression"),
    "endless repetition": ("'WORKER TIMEOUT'", "'a{99999999999}'", "pattern = 'a{", "not a regular expression"),
    "text-only escape": ("'WORKER TIMEOUT'", "'\\N{DIGIT ONE}'", "pattern = '\\N", "not a regular expression"),
    "unknown key of scope": ("[scope]", "[scope]\nx = 1", "x =", "scope.x: unknown key: expected runtime"),
    "unknown key of docs_drift": ("[docs_drift]", "[docs_drift]\nx = 1", "x =", "expected critical, blocking"),
    "text for globs": ('runtime = ["app/**"]', 'runtime = "app/**"', "runtime", "expected array, got str"),
    "number among globs": ('runtime = ["app/**"]', "runtime = [1]", "runtime", "expected str, got int"),
    "empty glob": ('checks = ["tests/**"]', 'checks = ["tests/**", ""]', "checks", "1 to 200 characters"),
    "glob outside": ('checks = ["tests/**"]', 'checks = ["../**"]', "checks", "inside the project"),
    "absolute glob": ('runtime = ["app/**"]', 'runtime = ["/app/**"]', "runtime", "inside the project"),
    "glob with a class": ('migration = ["app', 'migration = ["[ab]pp', "migration", "[ is not known here"),
    "glob of two minds": ('targets = ["docs/**"', 'targets = ["docs/**.md"', "targets", "** stands alone"),
    "docs drift without docs": ('targets = ["docs/**"', "#", "[docs_drift]", "name its place in targets"),
    "odd repository": ("[blockers]", '[github]\nrepository = "a"\ncheck = "c"\n[blockers]', "repo", "owner/name"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "start", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_its_line(old: str, new: str, start: str, words: str):
    text = changed(old, new)
    said = mistake_in(text)
    assert words in said
    found = re.match(r"release\.toml:([0-9]+): ", said)
    assert found, said
    named = text.splitlines()[int(found[1]) - 1]
    assert named.startswith(start), (said, named)


APPS = (
    "a b",
    "a'b",
    'a"b',
    "a;id",
    "$(id)",
    "../x",
    "a/b",
    "a\nb",
    "A",
    "",
    "ab",
    "-abc",
    "abc-",
    "a" * 31,
    "é-é",
)


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("key", ["app", "aliases"])
def test_an_app_name_is_what_heroku_takes(app: str, key: str):
    import json

    value = json.dumps(app if key == "app" else [app])
    text = changed(PROD if key == "app" else 'aliases = ["autorisen-dac8e65796e7"]', f"{key} = {value}")
    said = mistake_in(text)
    assert "3 to 30 lower-case letters" in said or "control characters" in said
    assert said.startswith(f"release.toml:{at(text, f'{key} = {value[:3]}')}: environments.prod.{key}: ")


@pytest.mark.parametrize(("said", "seconds"), [("250ms", 0.25), ("10s", 10), ("5m", 300), ("72h", 259200)])
def test_a_duration_is_seconds(said: str, seconds: float):
    assert config.parse(changed('http = "10s"', f'http = "{said}"')).limits.http == seconds


DURATIONS = (
    '"10"',
    "10",
    "1.5",
    '"1.5s"',
    '"-1s"',
    '"1 s"',
    '"1S"',
    '"s"',
    '""',
    '"0s"',
    '"0ms"',
    '"1d"',
    "true",
    "[]",
)


@pytest.mark.parametrize("said", [*DURATIONS, '"٣s"', '"8761h"', '"' + "9" * 400 + 'h"', '"1s\\n"'])
def test_what_is_no_duration_is_refused(said: str):
    text = changed('verify = "30s"', f"verify = {said}")
    assert mistake_in(text).startswith(f"release.toml:{at(text, 'verify')}: limits.verify: ")


def test_a_missing_file_and_an_unreadable_one_are_one_line(tmp_path: Path):
    with pytest.raises(UsageError, match=r"^no release\.toml in "):
        config.read(tmp_path)
    (tmp_path / "release.toml").mkdir()
    with pytest.raises(UsageError, match=r"^release\.toml cannot be read: Is a directory$"):
        config.read(tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "release.toml:1: the key 'schema' is missing"),
        (b"schema = 1\n# \xff\n", "release.toml:2: this is not UTF-8"),
        (GOOD.encode("utf-16"), "release.toml:1: this is not UTF-8"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "release.toml:1: the file begins with a byte order mark"),
        (GOOD.encode() + b"# x\n" * 100_000, "release.toml is longer than 65,536 bytes"),
    ],
)
def test_bytes_that_are_no_toml_are_one_line(data: bytes, words: str, tmp_path: Path):
    (tmp_path / "release.toml").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        config.read(tmp_path)
    assert words in str(caught.value)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 60_000,
        "a = [\n" * 9_000,
        "\n".join("[" + "a." * 990 + "b]" for _ in range(30)),
        "a." * 30_000 + "b = 1",
    ],
)
def test_no_file_within_the_limit_takes_the_machine(text: str):
    assert mistake_in(text[: toml.FILE_LIMIT])


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=2 * settings().max_examples)
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    path = tmp_path_factory.getbasetemp() / "release.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError):
        config.read(path.parent)


PIECES = st.sampled_from(
    [*GOOD.splitlines(keepends=True), "[", "]", "=", '"', "{", "1", "x = [", "\0", "é", "\n"]
)


@given(st.lists(PIECES, max_size=40), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=settings().max_examples * 3 // 2)
def test_any_shuffled_file_is_read_or_refused_in_one_line(pieces: list[str], chance):
    lines = GOOD.splitlines(keepends=True)
    for piece in pieces:
        lines.insert(chance.randrange(len(lines)), piece)
        del lines[chance.randrange(len(lines))]
    try:
        config.parse("".join(lines))
    except UsageError as error:
        assert str(error).isprintable()


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.datetimes(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([*config.Config.__struct_fields__, "nope"]), VALUES)
@settings(deadline=None, max_examples=2 * settings().max_examples)
def test_any_value_in_any_place_is_read_or_refused(key: str, value: object):
    import unittest.mock

    with unittest.mock.patch.object(toml, "load", lambda text: {**tables(), key: value}):
        try:
            config.parse("")
        except UsageError as error:
            assert str(error).startswith("release.toml:1: ")


def tables() -> dict[str, object]:
    import tomllib

    return tomllib.loads(GOOD)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("staging", "staging"),
        ("autorisen", "staging"),
        ("capecraft", "prod"),
        ("autorisen-dac8e65796e7", "prod"),
    ],
)
def test_an_environment_is_named_by_its_name_its_app_or_an_alias(said: str, name: str):
    assert config.read(ROOT).name_of(said) == name


@pytest.mark.parametrize(
    "said", ["", "nope", "Staging", "staging ", "a\nb", "x" * 100_000, "../staging", "staging;id"]
)
def test_an_unknown_environment_lists_those_there_are(said: str):
    with pytest.raises(UsageError) as caught:
        config.read(ROOT).environment(said)
    text = str(caught.value)
    assert text.isprintable() and len(text) < 200
    assert "staging (autorisen), prod (capecraft)" in text


def several(old: str = "", new: str = "") -> str:
    """Our own file with a component `worker` that has an app in each environment, and one change."""
    text = GOOD + WORKER
    for app in ("autorisen", "capecraft"):
        text = text.replace(f'app = "{app}"\n', f'app = "{app}"\n{APP_OF % app}\n')
    assert not old or old in text, old
    return text.replace(old, new, 1)


def test_components_stand_in_their_order_with_an_app_each():
    read = config.parse(several())
    assert read.apps("prod") == {"web": "capecraft", "worker": "capecraft-worker"}
    assert [c.component for c in read.packaged] == ["web", "worker"]
    assert read.name_of("capecraft-worker") == "prod"
    assert config.parse(GOOD).apps("prod") == {"web": "capecraft"}


COMPONENT_MISTAKES = {
    "no app": (
        APP_OF % "capecraft",
        "",
        "[environments.prod]",
        "'worker' has no app here: add apps = { worker",
    ),
    "an app of no component": (
        'worker = "autorisen',
        'wrker = "wrk", worker = "autorisen',
        "apps",
        "unknown component: [[components]] declares worker",
    ),
    "the first's app": (
        "autorisen-worker",
        "autorisen",
        "apps",
        "'autorisen' is the app of another component",
    ),
    "an app of another environment": (
        "capecraft-worker",
        "autorisen",
        "app",
        "names the environment 'staging' already",
    ),
    "a bad app name": ("capecraft-worker", "Cape Craft", "apps", "app name 'Cape Craft': expected 3 to 30"),
    "the name of the first": (
        'component = "worker"',
        'component = "web"',
        'component = "web"',
        "is there already",
    ),
    "a bad name": (
        'component = "worker"',
        'component = "a/b"',
        'component = "a/b"',
        "small letters and digits",
    ),
    "no name": ('component = "worker"\n', "", "[[components]]", "the key 'component' is missing"),
    "no tests": ('test = "true"', 'test = " "', 'test = " "', "the command is empty"),
    "migrations": ('test = "true"', 'test = "true"\nmigrations = "m"', "migrations = ", "unknown key"),
    "another kind": (
        'test = "true"',
        'test = "true"\nkind = "image"\nrepository = "ns/w"',
        "kind",
        "of one kind",
    ),
    "outside": ('path = "worker"', 'path = "../w"', "path", "expected a folder below the project"),
    "a check of none": (
        'path = "/api/health"',
        'path = "/"\ncomponent = "x"',
        "component",
        "unknown component 'x'",
    ),
}


@pytest.mark.parametrize(
    ("old", "new", "start", "words"), COMPONENT_MISTAKES.values(), ids=COMPONENT_MISTAKES
)
def test_a_mistake_in_a_component_names_its_line(old: str, new: str, start: str, words: str):
    text = several(old, new)
    said = mistake_in(text)
    assert words in said
    line = int(said.split(":")[1])
    assert text.splitlines()[line - 1].startswith(start), said
