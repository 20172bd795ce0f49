"""guards/deploy_guard.sh and guards/deploy_guard.py give the same answer to every question.

The shell script has a small TOML reader of its own, so the questions are apps, keys and ways to write the
same release.toml. It answers for every file that the Python reader accepts; one that cannot be parsed is 2.
"""

import importlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from roadworthy import config
from roadworthy.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "guards" / "deploy_guard.sh"
sys.path.insert(0, str(ROOT))
decide = importlib.import_module("guards.deploy_guard").decide

SHELLS = [
    words for words in (["dash"], ["busybox", "sh"], ["bash", "--posix"], ["ksh"]) if shutil.which(words[0])
] or [["sh"]]
KEYS = [None, "", "YES", "yes", "Yes", "YES ", " YES", "YES\n", "1", "true", "Y", "ＹＥＳ", "*", "[Y]ES"]
NAMES = [
    *("autorisen", "capecraft", "autorisen-dac8e65796e7", "autorisen-dac8e65796e", "autorisen-dac8e65796e77"),
    *("", " ", "capecraft ", " capecraft", "cape craft", "capecraft\n", "\ncapecraft", "cape\ncraft", "\t"),
    *(
        "'capecraft'",
        '"capecraft"',
        "capecraft;id",
        "$(id)",
        "`id`",
        "${HOME}",
        "\\capecraft",
        "capecraft\\n",
    ),
    *(
        "../capecraft",
        "/capecraft",
        ".",
        "..",
        "*",
        "cape*",
        "cape?raft",
        "[c]apecraft",
        "-n",
        "-e",
        "--",
        "-",
    ),
    *(
        "capecraft-",
        "-capecraft",
        "Capecraft",
        "CAPECRAFT",
        "1capecraft",
        "cäpecraft",
        "ｃapecraft",
        "🚗",
        "é",
    ),
    *("ab", "abc", "a" * 30, "a" * 31, "a" * 100_000, "app", "staging", "prod", "environments", "true", "0"),
]


def shell(app: str | None, allow: str | None, toml: Path, words: list[str] = SHELLS[0]) -> tuple[int, str]:
    env = {"PATH": os.environ["PATH"], "ROADWORTHY_RELEASE_TOML": str(toml)}
    if allow is not None:
        env["ALLOW_PROD_DEPLOY"] = allow
    args = [] if app is None else [app]
    done = subprocess.run([*words, str(SCRIPT), *args], env=env, capture_output=True, text=True, timeout=20)
    assert done.stdout == ""
    return done.returncode, done.stderr


def agree(questions, environments, toml, words=SHELLS[0]) -> None:
    """Both sides give the same code to every (app, key); a refusal is one line, a permission is none."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda q: shell(*q, toml, words), questions))
    for (app, allow), (code, said) in zip(questions, answers, strict=True):
        assert code == decide(app, allow, environments), (app, allow, said)
        assert said.count("\n") == (0 if code == 0 else 1), said
        assert code == 0 or said.startswith("deploy_guard: ")


@pytest.mark.parametrize("words", SHELLS, ids=" ".join)
def test_both_agree_on_every_name_and_every_key(words):
    environments = config.read(ROOT).environments
    questions = [(name, None) for name in NAMES] + [(None, None), (None, "YES")]
    questions += [(name, key) for name in NAMES[:3] for key in KEYS]
    agree(questions, environments, ROOT / "release.toml", words)


def test_the_three_codes_mean_what_the_runbook_says():
    toml = ROOT / "release.toml"
    assert shell("autorisen", None, toml) == (0, "")
    assert shell("capecraft", "YES", toml) == (0, "")
    assert shell("capecraft", None, toml)[0] == 42
    assert shell("autorisen-dac8e65796e7", "yes", toml)[0] == 42
    assert shell("nobody", "YES", toml)[0] == 2
    assert shell(None, "YES", toml)[0] == 2


def test_the_script_finds_release_toml_beside_its_folder_from_anywhere(tmp_path):
    env = {"PATH": os.environ["PATH"]}
    for cwd, script in (
        (tmp_path, SCRIPT),
        (ROOT, "guards/deploy_guard.sh"),
        (ROOT / "guards", "deploy_guard.sh"),
    ):
        done = subprocess.run(["sh", script, "capecraft"], cwd=cwd, env=env, capture_output=True, timeout=20)
        assert done.returncode == 42


def test_two_names_at_once_are_refused():
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(["sh", SCRIPT, "autorisen", "capecraft"], env=env, capture_output=True, timeout=20)
    assert done.returncode == 2


@given(
    app=st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
        st.from_regex(r"\A[a-z][a-z0-9-]{1,28}[a-z0-9]\Z"),
        st.from_regex(r"\A-?(autorisen|capecraft)[-a-z;\n ]?\Z"),
    ),
    allow=st.sampled_from(KEYS),
)
@settings(max_examples=150, deadline=None)
def test_both_agree_on_names_that_nobody_thought_of(app, allow):
    agree([(app, allow)], config.read(ROOT).environments, ROOT / "release.toml")


# ---- ways to write the same thing ------------------------------------------------------------------------

HEAD = """\
schema = 1
target = "sandbox"
project = { name = "capecontrol" } # production = true
[package]
[commands]
test = "echo #[environments.x]" # app = "commented"
migrate = '''
[environments.text]
app = "text-app"
production = true
'''
revision = \"\"\"one \\
[environments.more]
app = "more-app" \\\"\\\"\"\"\"
[targets.sandbox]
platform = "heroku"
"""
WRITTEN = {
    "as here": '[environments.prod]\napp = "capecraft"\naliases = ["old-name", "elder"]\nproduction = true\n'
    '[environments.staging]\napp = "autorisen"\n',
    "comments and spaces": '  [ environments . prod ]  # production = false\n\tapp="capecraft"# x\n'
    'production   =   true # = false\naliases = [ # one\n  "old-name", # "no-alias"\n  \'elder\',\n]\n\n'
    "[environments.staging]# y\napp = 'autorisen' # \"capecraft\"\n",
    "other order": '[environments.staging]\nproduction = false\naliases = []\napp = "autorisen"\n'
    '[environments.prod]\nproduction = true\naliases = ["elder", "old-name"]\napp = "capecraft"\n',
    "quoted keys": '[environments."prod"]\n"app" = "capecraft"\n\'production\' = true\n'
    'aliases = ["old-name","elder",]\n["environments".\'staging\']\napp = "autorisen"\n',
    "inline tables": '[environments]\nprod = { production = true, app = "capecraft", '
    'aliases = ["old-name", "elder"] }\nstaging = {app="autorisen"}\n',
    "dotted keys": '[environments]\nprod.app = "capecraft"\nprod.aliases = ["old-name", "elder"]\n'
    'prod . production = true\nstaging."app" = "autorisen"\n',
    "escapes": '[environments.prod]\napp = "\\u0063apecraft"\nproduction = true\n'
    'aliases = ["old\\u002dname", "\\U00000065lder"]\n[environments.staging]\napp = "autorisen"\n',
    "three quotes": '[environments.prod]\napp = """capecraft"""\nproduction = true\n'
    "aliases = ['''\nold-name''', 'elder']\n[environments.staging]\napp = '''autorisen'''\n",
    "windows lines": '[environments.prod]\r\napp = "capecraft"\r\naliases = ["old-name", "elder"]\r\n'
    'production = true\r\n[environments.staging]\r\napp = "autorisen"\r\n',
    "no last line end": '[environments.prod]\napp = "capecraft"\naliases = ["old-name", "elder"]\n'
    'production = true\n[environments.staging]\napp = "autorisen"',
}
ASKED = [
    "capecraft",
    "autorisen",
    "old-name",
    "elder",
    "no-alias",
    "commented",
    "text-app",
    "more-app",
    "prod",
]


@pytest.mark.parametrize("way", WRITTEN)
def test_both_read_release_toml_however_it_is_written(way, tmp_path):
    toml = tmp_path / "release.toml"
    toml.write_bytes((HEAD + WRITTEN[way]).encode())
    environments = config.parse(toml.read_text()).environments
    assert decide("old-name", None, environments) == 42, "the question is worth asking"
    agree([(name, key) for name in ASKED for key in (None, "YES")], environments, toml)


COMPONENTS = """
[[components]]
component = "worker"
path = "worker"
test = "true"
[[components]]
component = "app"
path = "more"
test = "true"
"""
APPS = {
    "inline": 'app = "capecraft"\napps = { worker = "capecraft-worker", app = "capecraft-more" }\n',
    "table": 'app = "capecraft"\n[environments.prod.apps]\nworker = "capecraft-worker"\napp = "capecraft-more"\n',
    "dotted": 'app = "capecraft"\napps.worker = "capecraft-worker"\napps."app" = \'capecraft-more\'\n',
}


@pytest.mark.parametrize("way", APPS)
def test_both_guard_the_apps_of_every_component(way, tmp_path):
    more = '[environments.other]\napp = "other-app"\n[environments.other.apps]\n'
    more += 'worker = "other-worker"\napp = "other-more"\n'
    text = HEAD + more + "[environments.prod]\nproduction = true\n" + APPS[way] + COMPONENTS
    toml = tmp_path / "release.toml"
    toml.write_text(text)
    environments = config.parse(text).environments
    for app in ("capecraft", "capecraft-worker", "capecraft-more"):
        assert (decide(app, None, environments), decide(app, "YES", environments)) == (42, 0)
    asked = ["capecraft", "capecraft-worker", "capecraft-more", "other-worker", "other-app", "worker", "app"]
    agree([(name, key) for name in asked for key in (None, "YES")], environments, toml)


BROKEN = [
    "[environments.prod]\napp = 'capecraft'\napps = ['capecraft-worker']\n",
    "[environments.prod]\napp = 'capecraft'\napps = 'capecraft-worker'\n",
    "[environments.prod]\napp = 'capecraft'\napps = { worker = 'Cape Craft' }\n",
    "[environments.prod]\napp = 'capecraft'\napps = { worker = 1 }\n",
    "[environments.prod]\napp = 'capecraft'\n[environments.q]\napp = 'qqq'\napps = { w = 'capecraft' }\n",
    "[environments.prod\napp = 'capecraft'\n",
    "[environments.prod]\napp = 'capecraft\n",
    "[environments.prod]\napp = capecraft\n",
    "[environments.prod]\napp = 'capecraft' production = true\n",
    "[environments.prod]\napp = 'capecraft'\nproduction = 'true'\n",
    "[environments.prod]\napp = 'capecraft'\nproduction = 1\n",
    "[environments.prod]\napp = 'capecraft'\nproduction = True\n",
    "[environments.prod]\napp = 'capecraft'\nproduction = true\nproduction = false\n",
    "[environments.prod]\napp = 'capecraft'\n[environments.prod]\nproduction = true\n",
    "[environments.prod]\napp = 'capecraft'\nproduktion = true\n",
    "[environments.prod]\napp = ['capecraft']\n",
    "[environments.prod]\napp = 'capecraft'\naliases = 'old-name'\n",
    "[environments.prod]\napp = 'capecraft'\naliases = ['old-name'\n",
    "[environments.prod]\napp = 'capecraft'\naliases = ['old-name' 'elder']\n",
    "[environments.prod]\napp = 'Cape Craft'\n",
    "[environments.prod]\naliases = ['capecraft']\n",
    '[environments.prod]\napp = "cape\\xcraft"\n',
    '[environments.prod]\napp = "\\u006"\n',
    "[environments.prod]\napp = '''capecraft\n",
    "[environments]\nprod = { app = 'capecraft'\n",
    "[environments]\nprod = 'capecraft'\n",
    "[[environments.prod]]\napp = 'capecraft'\n",
    "environments\n",
    "= 1\n",
    "[environments.prod]\napp = 'capecraft'\nproduction = true\n[environments.staging]\napp = 'capecraft'\n",
    "[environments.prod]\napp = 'capecraft'\naliases = ['old']\n[environments.q]\napp = 'qqq'\naliases = ['old']\n",
    "[environments.prod]\napp = 'capecraft'\nproduction = true\n[environments.capecraft]\napp = 'staging'\n",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_release_toml_that_is_not_understood_opens_nothing(text, tmp_path):
    toml = tmp_path / "release.toml"
    toml.write_text(HEAD + text)
    with pytest.raises(UsageError):
        config.parse(toml.read_text())
    assert shell("capecraft", "YES", toml)[0] == 2


def test_a_release_toml_that_cannot_be_read_opens_nothing(tmp_path):
    for toml in (tmp_path / "none.toml", tmp_path):
        code, said = shell("capecraft", "YES", toml)
        assert code == 2 and "release.toml" in said
    (tmp_path / "empty.toml").write_text("")
    assert shell("capecraft", "YES", tmp_path / "empty.toml")[0] == 2


NAME = st.from_regex(r"\A[a-z][a-z0-9-]{1,8}[a-z0-9]\Z")


@st.composite
def release_toml(draw):
    """Environments, and one of the many ways to write them."""
    environments = draw(
        st.dictionaries(
            st.sampled_from(["prod", "staging", "qa", "app"]),
            st.tuples(NAME, st.lists(NAME, max_size=2), st.sampled_from([None, True, False])),
            min_size=1,
        )
    )

    def string(word):
        return draw(st.sampled_from(["'{}'", '"{}"', "'''{}'''", '"""{}"""'])).format(word)

    def gap():
        return draw(st.sampled_from(["", " ", "\t "]))

    lines = []
    for name, (app, aliases, production) in environments.items():
        pairs = [("app", string(app)), ("url", string("https://x.example/[environments.y]"))]
        listed = f"[{gap()}{', '.join(map(string, aliases))}{gap()}]"
        pairs += [("aliases", listed)] if aliases or draw(st.booleans()) else []
        pairs += [("production", str(production).lower())] if production is not None else []
        pairs = draw(st.permutations(pairs))
        way = draw(st.sampled_from(["table", "inline", "dotted"]))
        if way == "inline":
            inner = ", ".join(f"{key}{gap()}={gap()}{value}" for key, value in pairs)
            lines.insert(0, f"environments.{name} = {{{gap()}{inner}{gap()}}}")
        elif way == "dotted":
            lines[0:0] = [f"environments.{name}{gap()}.{gap()}{key} = {value}" for key, value in pairs]
        else:
            lines.append(f"{gap()}[{gap()}environments.{name}{gap()}]{gap()}")
            for key, value in pairs:
                remark = draw(st.sampled_from(["", " # production = true", "# 'x'", "\n# app = 'x'", "\n"]))
                lines.append(f"{gap()}{key}{gap()}={gap()}{value}{remark}")
    # What stands at the top of the file comes before its first table.
    first = next((i for i, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    cut = HEAD.index("[package]")
    text = "\n".join([HEAD[:cut], *lines[:first], HEAD[cut:], *lines[first:]])
    names = [n for app, aliases, _ in environments.values() for n in (app, *aliases)]
    assume(len({*names, *environments}) == len(names) + len(environments))  # each name means one environment
    return text, names


@given(written=release_toml())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_read_ways_to_write_that_nobody_thought_of(written, tmp_path):
    text, names = written
    toml = tmp_path / "release.toml"
    toml.write_text(text)
    environments = config.parse(text).environments
    agree([(name, None) for name in [*names[:3], "nobody"]], environments, toml)
