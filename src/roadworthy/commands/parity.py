"""Parity: ask a candidate, compare its report with a baseline, stamp a dataset, keep a run as a baseline."""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .. import git
from ..errors import UsageError
from ..files import read_file, write_atomically
from ..http import without_credentials
from ..mask import Mask
from ..model import Outcome, Result
from ..parity import baseline, folder, judge, report, stamp, strict, suites
from ..parity.compare import CaseResult
from ..parity.folder import FOLDER, Inputs
from ..parity.judge import Violation

if TYPE_CHECKING:
    from ..context import Context

LATEST: Final = "parity/reports/latest.json"
WITHIN: Final = 1800.0  # seconds for all cases of a run
_SEEN: Final[tuple[str, ...]] = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
)  # what any suite sees of the caller's variables


def run(context: Context, env: str | None, url: str) -> Result:
    """Ask a running candidate, and write the report. The report is written whatever was found."""
    root, target = context.paths.root, context.target
    if bool(env) == bool(url):
        raise UsageError("say --env, or --url of a candidate that runs elsewhere, and not both")
    asked = _address(context, env) if env else _url(url)
    shown = without_credentials(asked)
    context.screen.title(f"parity of {shown} on {target}")
    inputs = folder.read(root)
    digests = {one.name: suites.digest(one, root) for one in inputs.suites}
    needed = {one.name: suites.environ(one, context.environ, asked) for one in inputs.suites}
    results, noise = _ask(context, inputs, asked, needed)
    against = [*inputs.problems, *judge.against(results, inputs.limits)]
    provenance = report.Provenance(
        shown, inputs.dataset_hash, inputs.thresholds_hash, git.resolve(root, None), digests
    )
    made = report.make(
        results,
        against,
        run=secrets.token_hex(6),
        at=f"{context.now():%Y-%m-%dT%H:%M:%SZ}",
        dataset_version=inputs.dataset_version,
        threshold_version=inputs.limits.version,
        provenance=provenance,
        noise=noise,
    )
    regressed = _regressions(root, made, inputs)
    if regressed:
        made["violations"] += [msgspec.to_builtins(one) for one in regressed]
        made["status"] = "fail"
    made = _masked(made, Mask(context.environ[name] for one in inputs.suites for name in one.env))
    write_atomically(root / LATEST, report.written(made))
    page = report.markdown(made)
    write_atomically((root / LATEST).with_suffix(".md"), page.encode())
    if summary := context.process_environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(page)
    return _result(made, f"{made['passRate']} % of {made['totalFields']} fields are the same")


def compare(context: Context, version: str, strictly: bool, file: str) -> Result:
    """Hold a report against a baseline."""
    context.screen.title(f"parity beside a baseline, on {context.target}")
    root = context.paths.root
    if not version:
        raise UsageError("say --baseline VERSION: which run the report is held against")
    limits, _ = folder.limits_of(root / FOLDER)
    base = folder.load_baseline(root, version)
    value = strict.load(root / (file or LATEST), file or LATEST)
    try:
        found = baseline.compare(value, base, limits, strictly=strictly)
    except ValueError as error:
        raise UsageError(f"{file or LATEST}: {error}") from error
    if _is_source(value, base):
        raise UsageError(f"the report is the very run that baseline {version} was made of: run parity anew")
    moved = f"{found.direction}: {found.gained} fields more and {found.lost} fewer are the same"
    details = msgspec.to_builtins(found)
    return _ended(
        found.violations, f"beside baseline {version} it is {moved}", details, evidence=file or LATEST
    )


def stamped(context: Context, verify: bool, update: bool, file: str) -> Result:
    """Look at the stamps of the datasets, or write them."""
    context.screen.title(f"stamps of parity's datasets, on {context.target}")
    root = context.paths.root
    if verify == update:
        raise UsageError("say --verify or --update, and not both")
    places = [root / FOLDER / "fixtures" / name for name in folder.DATASETS]
    paths = [root / file] if file else [path for path in places if path.exists()]
    if not paths:
        raise UsageError("parity/fixtures has no dataset")
    names = {path: file or f"{FOLDER}/fixtures/{path.name}" for path in paths}
    texts = {path: strict.text_of(path, name) for path, name in names.items()}
    if verify:
        wrong = {name: stamp.problem(texts[path]) for path, name in names.items()}
        found = [Violation("stamp", f"{name}: {said}") for name, said in wrong.items() if said]
        return _ended(found, f"{len(paths) - len(found)} of {len(paths)} datasets have their stamp", {})
    context.changes(f"stamp {', '.join(names.values())}")
    hashes = {}
    for path, name in names.items():
        try:
            new = stamp.stamped(texts[path])
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from error
        if new != texts[path]:
            write_atomically(path, new.encode())
        hashes[name] = stamp.of_text(new)
    return Result(Outcome.SUCCEEDED, f"stamped {', '.join(names.values())}", details={"hashes": hashes})


def keep(context: Context, version: str, file: str) -> Result:
    """Keep a report that passed as a baseline, under a version that was never used."""
    from ..journal.lock import this_process

    context.screen.title(f"baseline {version[:40]} of parity, on {context.target}")
    root = context.paths.root
    value = strict.load(root / (file or LATEST), file or LATEST)
    try:
        made = baseline.create(
            version, value, at=f"{context.now():%Y-%m-%dT%H:%M:%SZ}", by=this_process()["user"]
        )
    except ValueError as error:
        raise UsageError(f"{file or LATEST}: {error}") from error
    path = root / FOLDER / "baselines" / f"baseline-{version}.json"
    if path.exists():
        raise UsageError(
            f"parity/baselines/{path.name} is there: a baseline never changes, choose a new version"
        )
    context.changes(f"write parity/baselines/{path.name}")
    write_atomically(path, report.written({**made, "sourceRunId": value.get("runId", "")}))
    return Result(Outcome.SUCCEEDED, f"kept as baseline {version}", evidence=f"parity/baselines/{path.name}")


def _address(context: Context, env: str) -> str:
    from ..actions.running import addresses

    return addresses(context, context.config.name_of(env))[""]


def _url(said: str) -> str:
    if not said.startswith(("http://", "https://")):
        raise UsageError(f"--url {said[:60]!r} is no http:// or https:// address")
    return said


def _ask(
    context: Context, inputs: Inputs, url: str, needed: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[CaseResult, ...], tuple[report.Noise, ...]]:
    from ..parity.ask import ask

    results: tuple[CaseResult, ...] = ()
    noise: tuple[report.Noise, ...] = ()
    if inputs.cases:
        count, told = len(inputs.cases), 0

        def said(done: int) -> None:
            nonlocal told
            if done * 10 // count > told:
                told = done * 10 // count
                say(f"{done} of {count}")

        with context.screen.step(f"asking {count} cases") as say:
            results, noise = ask(
                inputs.cases,
                url,
                timeout=context.config.limits.http,
                deadline=time.monotonic() + WITHIN,
                documents=inputs.adapters,
                said=said,
            )
    for suite in inputs.suites:
        with context.screen.step(f"suite {suite.name}: {suite.command}"):
            results += _suite(context, suite, needed[suite.name])
    return results, noise


def _suite(context: Context, suite: suites.Suite, more: Mapping[str, str]) -> tuple[CaseResult, ...]:
    """Run somebody's suite in the project's folder; its report goes into a place of its own."""
    from ..trial import place

    with place.place_apart() as made:
        file = made / "report"
        words = [word.replace(suites.REPORT, str(file)) for word in shlex.split(suite.command)]
        known = context.process_environ
        seen = {name: known[name] for name in _SEEN if name in known}
        environ: dict[str, str] = {**seen, **more, place.MARKER: made.name}
        ran = place.run(words, context.paths.root, environ, suite.within)
        found = read_file(file, strict.MOST_FILE, "the suite's report") if file.is_file() else None
    return suites.results(suite, ran.how, ran.well, found)


def _regressions(root: Path, made: Mapping[str, Any], inputs: Inputs) -> list[Violation]:
    """What the newest baseline says against a run."""
    versions = list(folder.baselines(root))
    if not versions:
        needed = Violation("baseline", "there is no baseline, and failOnMissingBaseline asks for one")
        return [needed] if inputs.limits.baseline_required else []
    base = folder.load_baseline(root, versions[-1])
    again = strict.decode(report.written(made).decode())
    found = baseline.compare(again, base, inputs.limits).violations
    known = {(one["rule"], one["message"]) for one in made["violations"]}
    return [one for one in found if one.rule != "status" and (one.rule, one.message) not in known]


def _is_source(value: Any, base: Mapping[str, Any]) -> bool:
    return bool(base.get("sourceRunId")) and value.get("runId") == base["sourceRunId"]


def _masked(value: Any, hide: Mask) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, list):
        return [_masked(each, hide) for each in value]
    return {key: _masked(each, hide) for key, each in value.items()} if isinstance(value, dict) else value


def _result(made: Mapping[str, Any], line: str) -> Result:
    against = [
        Violation(one["rule"], one["message"], one.get("case", ""), one.get("field", ""))
        for one in made["violations"]
    ]
    counts = ("status", "passRate", "totalCases", "totalFields", "passedFields", "failedFields", "runId")
    return _ended(against, line, {key: made[key] for key in counts}, evidence=LATEST)


def _ended(
    against: Any, line: str, details: Mapping[str, Any], *, evidence: str = "", shown: int = 20
) -> Result:
    reasons = [": ".join(filter(None, (one.case, one.field, one.message))) for one in against]
    more = [f"and {len(reasons) - shown} more"] if len(reasons) > shown else []
    return Result(
        Outcome.FAILED if reasons else Outcome.SUCCEEDED,
        line,
        evidence=evidence,
        details=details,
        reasons=(*reasons[:shown], *more),
        code=int(bool(reasons)),
    )
