"""Every key of release.toml and every environment variable is documented as the code has it, no other is."""

import re
from pathlib import Path

import msgspec
import pytest
from docs_pages import ROOT, rows, section

from roadworthy import config

PAGE = ROOT / "docs/configuration.md"
SECTIONS = {
    "### Top level": config.Config,
    "### [project]": config.Project,
    "### [package]": config.PackageRules,
    "### [[components]]": config.Component,
    "### [commands]": config.Commands,
    r"### [targets.\<name\>]": config.Target,
    r"### [environments.\<name\>]": config.Environment,
    "### [limits]": config.Limits,
    "### [watch]": config.Watch,
    "### [[checks]]": config.HttpCheck,
    "### [[logs.rules]]": config.LogRule,
    "### [acceptance]": config.Acceptance,
    "### [done]": config.Done,
    "### [slo]": config.Slo,
    "### [blockers]": config.Blockers,
    "### [journal]": config.Journal,
    "### [scope]": config.ScopeRules,
    "### [docs_drift]": config.DocsDriftRules,
    "### [github]": config.GitHub,
}
TYPES = {"text": str, "integer": int, "duration": config.Duration, "true or false": bool}
NOT_FOR_PEOPLE = {
    "ROADWORTHY_SANDBOX",  # the mark by which the sandbox knows its processes
    "ROADWORTHY_TRIAL",  # the mark of the processes of a package that is tested or accepted
    "ROADWORTHY_CONFIG",  # a config var of the app, by which a change of others is recognised
    "ROADWORTHY_USER",  # what a push of an anchor tells git's own credential helper
    "ROADWORTHY_PASSWORD",
    "PATH",
}


def test_every_table_of_the_file_has_its_section():
    structs = {k for k in vars(config).values() if isinstance(k, type) and issubclass(k, msgspec.Struct)}
    # Logs holds the rules and no key; Packaged is what the tables of components share.
    assert structs - {msgspec.Struct, config.Logs, config.Packaged} == set(SECTIONS.values())


@pytest.mark.parametrize(("heading", "struct"), SECTIONS.items(), ids=lambda value: str(value))
def test_the_keys_types_and_defaults_are_those_of_the_code(heading, struct):
    documented = {row[0].strip("`"): row for row in rows(section(PAGE, heading))}
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    assert set(documented) == set(fields)
    for key, (_, kind, default, *_) in documented.items():
        field = fields[key]
        assert (default == "required") == field.required, key
        assert kind not in TYPES or TYPES[kind] is field.type, key
        if re.fullmatch(r"`.*`", default):
            assert value(default.strip("`"), field.type) == given(field), key


def value(written: str, kind: object) -> object:
    read = msgspec.toml.decode(f"x = {written}")["x"]
    return config._duration(config.Duration, read) if kind is config.Duration else read


def given(field: msgspec.structs.FieldInfo) -> object:
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return list(default) if isinstance(default, tuple) else default


def read_by_the_code() -> set[str]:
    """The names of environment variables in the sources; the sandbox hands some on, but is told by none."""
    files = [p for p in (ROOT / "src/roadworthy").rglob("*.py") if "sandbox" not in p.relative_to(ROOT).parts]
    files += [*(ROOT / "guards").iterdir(), ROOT / "Makefile", ROOT / "noxfile.py"]
    source = "\n".join(p.read_text(encoding="utf-8") for p in map(Path, files) if p.is_file())
    found = set(re.findall(r"(?:environ|env)(?:\.get\(|\[)\"([A-Z_]+)\"", source))
    ours = found | set(re.findall(r"\bROADWORTHY_[A-Z_]+", source))
    return {name for name in ours - NOT_FOR_PEOPLE if not name.startswith("GIT_")}  # those are git's own


def test_every_environment_variable_that_is_read_is_documented():
    documented = {name for row in rows(section(PAGE, "## Environment variables")) for name in names(row[0])}
    assert read_by_the_code() - documented == set()


def test_every_environment_variable_that_is_documented_is_read():
    sources = (
        "\n".join(
            p.read_text(encoding="utf-8")
            for folder in ("src", "guards")
            for p in (ROOT / folder).rglob("*")
            if p.suffix in (".py", ".sh")
        )
        + (ROOT / "Makefile").read_text()
        + (ROOT / "noxfile.py").read_text()
    )
    by_requests = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
    for row in rows(section(PAGE, "## Environment variables")):
        for name in set(names(row[0])) - by_requests:
            assert re.search(rf"\b{name}\b", sources), f"nothing reads {name}"


def names(cell: str) -> list[str]:
    return re.findall(r"`([A-Z_]+)`", cell)
