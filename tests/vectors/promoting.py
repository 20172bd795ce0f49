"""The promotion gates' parity: stamps, thresholds, the comparison of a run, baselines.

Where a vector says what is right by the contract, that is asked for; where it only suggests, the same.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

from roadworthy.errors import UsageError
from roadworthy.parity import baseline, judge, originals, stamp, strict, thresholds
from roadworthy.parity.compare import CaseResult, compare_all
from roadworthy.parity.thresholds import Limit, Thresholds
from roadworthy.pipeline.gates import request

from .reading import Answer, Difference, Subject, Vector, read_from


@cache
def read(file: str) -> dict[str, Any]:
    return read_from("job-sheet", file)


def right(vector: Vector) -> dict[str, Any] | None:
    """What the contract, or else its collector, says instead of the original."""
    return vector.get("expectedByContract") or vector.get("suggested")


def exact(value: Any) -> Any:
    """A vector's value as our readers would have it."""
    return strict.decode(json.dumps(value))


# ---- stamps


def ask_stamp(vector: Vector) -> Answer:
    text, mode = vector["input"]["text"], vector["input"]["mode"]
    if text is None:
        return {"exit": 1, "hash": None}
    try:
        hashed = stamp.of_text(text)
    except ValueError:
        return {"exit": 1, "hash": None}
    if mode == "verify":
        return {"exit": int(bool(stamp.problem(text))), "hash": hashed}
    if mode != "update":
        return {"exit": 2, "hash": hashed}
    try:
        return {"exit": 0, "hash": hashed, "stamped": stamp.stamped(text)}
    except ValueError:
        return {"exit": 1, "hash": hashed}


def text(vector: Vector) -> str:
    return vector["input"]["text"] or ""


def refused(vector: Vector, answer: Answer) -> Answer:
    return {"exit": 1, "hash": None}


STAMPS = Subject(
    "dataset-stamp",
    ask_stamp,
    lambda vector: vector["expected"],
    (
        Difference("stamp-half-a-pair", lambda vector: "\\ud800" in text(vector), refused),
        Difference("stamp-key-twice", lambda vector: text(vector).count('"dup"') > 1, refused),
        Difference(
            "stamp-key-order",
            lambda vector: '"10"' in text(vector) and "stamped" in vector["expected"],
            lambda vector, answer: {**answer, "stamped": ask_stamp(vector)["stamped"]},
        ),
        Difference(
            "stamp-no-object",
            lambda vector: text(vector) in ("[]", "null"),
            lambda vector, answer: {"exit": 1, "hash": stamp.of_text(text(vector))},
        ),
        Difference(
            "stamp-two-words",
            lambda vector: vector["input"]["mode"] == "verify and update",
            lambda vector, answer: {**answer, "exit": 2},
        ),
    ),
)


# ---- thresholds


def threshold_document(vector: Vector) -> Any:
    given = vector["input"]
    if "document" in given:
        return given["document"]
    document = next(one for one in read("thresholds")["vectors"] if one["id"] == given["of"])
    document = deepcopy(document["input"]["document"])
    *path, last = given["set"].split(".")
    place = document
    for part in path:
        place = place[part]
    if given["to"] == "(removed)":
        del place[last]
    else:
        place[last] = given["to"]
    return document


def ask_thresholds(vector: Vector) -> Answer:
    try:
        thresholds.of_text(json.dumps(threshold_document(vector)))
    except ValueError:
        return {"valid": False}
    return {"valid": True}


THRESHOLDS = Subject(
    "thresholds",
    ask_thresholds,
    lambda vector: right(vector) or {"valid": vector["expected"]["valid"]},
    (
        Difference(
            "thresholds-unknown-key",
            lambda vector: vector["input"].get("set") in ("thresholds.overall.minPassRat", "surprise"),
            lambda vector, answer: {"valid": False},
        ),
    ),
)


# ---- a run

HOW = originals.Adapter("/", "POST", result="expectedResult")


def dataset(document: dict[str, Any], limits: Thresholds | None = None) -> originals.Dataset:
    """A dataset of vectors; what only its schema asks for is not there."""
    return originals.dataset(json.dumps(document), HOW, limits)


def run(golden: dict[str, Any], actual: Any) -> tuple[CaseResult, ...]:
    documents = golden["documents"] if actual == "golden" else actual
    answers = {one["id"]: originals.answer(exact(one), HOW) for one in documents}
    return compare_all(dataset(golden).cases, answers)


def limits_of(vector: Vector) -> Thresholds:
    said = vector["input"].get("thresholds", {})
    newer = vector["id"].startswith("HEAD")
    rate = exact(said.get("minSamePercentage", 100 if newer else 95))
    return Thresholds(
        overall=Limit(rate=rate / exact(100.0), worse=said.get("maxWorseFields", 0)),
        worse_cases=said.get("maxWorseDocuments", 0),
    )


def ask_run(vector: Vector) -> Answer:
    given, variant = vector["input"], vector.get("variant", "")
    if variant.startswith("dataset"):
        return ask_codes(given)
    if variant.startswith("combined"):
        return ask_combined(given)
    negative = variant.startswith("negative")
    golden = given.get("golden") or read("parity")["negativeGolden" if negative else "golden"]
    results = run(golden, given["actual"])
    status = "fail" if judge.against(results, limits_of(vector)) else "pass"
    if right(vector):
        return {"status": status}
    counts = judge.summary(results)
    if negative:
        return {"status": status, "summary": negative_summary(results, counts)}
    return {"status": status, "summary": positive_summary(results, counts), "documents": documents(results)}


def positive_summary(results: tuple[CaseResult, ...], counts: judge.Summary) -> Answer:
    verdicts = [one.verdict for one in results]
    return {
        "totalDocuments": len(results),
        "same": verdicts.count("same"),
        "improved": verdicts.count("improved"),
        "worse": counts.worse_cases,
        "totalFields": counts.fields.total,
        "fieldsSame": counts.fields.passed,
        "fieldsImproved": counts.improved,
        "fieldsWorse": counts.worse,
    }


def negative_summary(results: tuple[CaseResult, ...], counts: judge.Summary) -> Answer:
    failed = sum(one.bad for one in results)
    return {
        "totalDocuments": len(results),
        "passed": len(results) - failed,
        "failed": failed,
        "totalExpectedFailures": counts.met + counts.missed,
        "matchedFailures": counts.met,
        "missedFailures": counts.missed,
        "unexpectedFailures": counts.surprises,
    }


def documents(results: tuple[CaseResult, ...]) -> Answer:
    return [
        {
            "id": one.id,
            "status": str(one.verdict),
            "fields": [[field.name.split(":")[0], str(field.verdict)] for field in one.fields],
        }
        for one in results
    ]


def ask_combined(given: dict[str, Any]) -> Answer:
    """Both suites in one run, one of them without answers."""
    golden = deepcopy(read("parity")["golden"])
    negative = deepcopy(read("parity")["negativeGolden"])
    for one in negative["documents"]:
        one["id"] = given["negativeDocumentId"]
    silent = given["what"].split()[0]
    parts = {}
    for name, suite in (("positive", golden), ("negative", negative)):
        results = run(suite, [] if name == silent else "golden")
        parts[name] = (results, "fail" if judge.against(results, Thresholds()) else "pass")
    together = judge.against([*parts["positive"][0], *parts["negative"][0]], Thresholds())
    return {
        "status": "fail" if together else "pass",
        "positive": parts["positive"][1],
        "negative": parts["negative"][1],
    }


def ask_codes(given: dict[str, Any]) -> Answer:
    """Whether the gate lets a dataset through whose first failed field has this reason."""
    newer = next(one for one in read("thresholds")["vectors"] if one["id"] == "v2.0.0")
    limits = thresholds.of_text(json.dumps(newer["input"]["document"]))
    golden = deepcopy(read("parity")["golden"])
    status = given.get("status", "failed")
    field = next(
        one for each in golden["documents"] for one in each["validatedFields"] if one["status"] == status
    )
    field["reasonCode"] = given["reasonCode"]
    problems = [one for one in dataset(golden, limits).problems if "the reason" in one]
    return {"datasetLoads": not problems}


def run_expected(vector: Vector) -> Answer:
    if right(vector):
        return right(vector)
    kept = ("status", "summary", "documents", "positive", "negative", "datasetLoads")
    return {key: value for key, value in vector["expected"].items() if key in kept}


def now_worse(vector: Vector, answer: Answer) -> Answer:
    """The first document and its first field are worse, and no improvement."""
    summary, first = answer["summary"], answer["documents"][0]
    summary.update(improved=0, worse=1, fieldsImproved=0, fieldsWorse=1)
    first["status"] = first["fields"][0][1] = "worse"
    return answer


def now_named(vector: Vector, answer: Answer) -> Answer:
    answer["summary"]["totalDocuments"] += 1
    answer["documents"].append({"id": "doc-009", "status": "new", "fields": []})
    return answer


RUNS = Subject(
    "parity",
    ask_run,
    run_expected,
    (
        Difference("parity-worse-and-surer", lambda vector: "confidence up" in vector["id"], now_worse),
        Difference("parity-not-asked", lambda vector: vector["id"] == "HEAD: extra document", now_named),
        Difference(
            "parity-empty-reason",
            lambda vector: vector["id"] == "reason code (empty)",
            lambda vector, answer: {"datasetLoads": False},
        ),
    ),
)


# ---- baselines


def ask_baseline(vector: Vector) -> Answer:
    given, file = vector["input"], read("baseline")
    report, base, limits = (exact(given.get(key, file[key])) for key in ("report", "baseline", "thresholds"))
    if vector.get("function") == "create":
        return ask_create(given, exact(file["report"]) if given["report"] == "report" else report)
    try:
        if limits is None:
            raise ValueError("no thresholds")
        parts = thresholds.limits(given.get("thresholds", file["thresholds"])["thresholds"])
        found = baseline.compare(report, base, parts, strictly=given.get("strict", False))
    except ValueError:
        return {"overallStatus": "fail"} if right(vector) else {"exit": 1, "result": None}
    status = "fail" if found.violations else "pass"
    if right(vector):
        return {"overallStatus": status}
    return {
        "exit": int(status == "fail"),
        "result": {
            "overallStatus": status,
            "direction": found.direction,
            "fieldChanges": {"gained": found.gained, "lost": found.lost},
            "bySeverity": [list(one) for one in found.severities.items()],
            "documents": [list(one) for one in found.documents.items()],
            "versionMatch": {"datasetMatch": found.same_dataset, "thresholdMatch": found.same_thresholds},
        },
    }


def ask_create(given: dict[str, Any], report: Any) -> Answer:
    if given.get("exists"):
        return {"exit": 1}  # tests/parity asks the command itself
    try:
        made = baseline.create(given["version"], report, at="2030-01-01T00:00:00Z", by="ci")
    except ValueError:
        return {"exit": 1}
    return {
        "exit": 0,
        "contentHash": made["contentHash"],
        "bySeverity": list(made["metrics"]["bySeverity"]),
        "documents": [one["id"] for one in made["docResults"]],
    }


def baseline_expected(vector: Vector) -> Answer:
    if right(vector):
        return right(vector)
    answer = deepcopy(vector["expected"])
    if answer.get("result"):
        del answer["result"]["violations"]
    return answer


def number(vector: Vector) -> bool:
    """True for a report whose rate is one."""
    report = vector["input"].get("report")
    rate = report.get("passRate", 0) if isinstance(report, dict) else 0
    return isinstance(rate, int | float)


def percent(vector: Vector) -> bool:
    limits = vector["input"].get("thresholds") or {"thresholds": {"overall": {}}}
    return limits["thresholds"]["overall"].get("minPassRate", 0) > 1


def failing(vector: Vector, answer: Answer) -> Answer:
    return {"exit": 1, "result": {**answer["result"], "overallStatus": "fail"}}


BASELINES = Subject(
    "baseline",
    ask_baseline,
    baseline_expected,
    (
        Difference(
            "baseline-no-number", lambda vector: not number(vector), lambda *_: {"exit": 1, "result": None}
        ),
        Difference("baseline-percent", percent, lambda *_: {"exit": 1, "result": None}),
        Difference("baseline-fewer", lambda vector: vector["id"] == "fewer passed", failing),
        Difference(
            "baseline-semver",
            lambda vector: vector["input"].get("version") == "01.0.0",
            lambda *_: {"exit": 1},
        ),
    ),
)

# ---- who may promote

ASKED = ("validateRequest", "validateParitySkip")  # the functions of promotion-gates.json that are built


def ask_request(vector: Vector) -> Answer:
    given = vector["input"]
    if vector["function"] == "validateParitySkip":
        production, on_main = given["targetEnv"] == "production", True
        skip, words = given["skipRequested"], given["acknowledgementText"]
    else:
        production, on_main = given["targetEnvironment"] == "production", given["ref"] == "refs/heads/main"
        skip, words = given["skipParity"], given["acknowledgement"]
    try:
        asked = request.Asked(production, on_main, request.switch("skip-parity", skip), words)
    except UsageError:
        return {"exit": 2}
    allowed = not request.refusals(asked)
    if vector["function"] == "validateParitySkip":
        return {"allowed": allowed}
    return {"exit": 0 if allowed else 1, "canProceed": allowed}  # any failure is 1 there, and 3 here


REQUESTS = Subject("promotion-gates", ask_request, lambda vector: right(vector) or vector["expected"])


def vectors(subject: Subject) -> list[Vector]:
    """Those of a file whose functions are built."""
    found = read(subject.file)["vectors"]
    return [one for one in found if one["function"] in ASKED] if subject is REQUESTS else found


def not_built(file: str) -> set[str]:
    """The functions of a file that is compared, and which nothing here answers yet."""
    found = {one.get("function", "") for one in read(file)["vectors"]}
    return found - set(ASKED) if file == REQUESTS.file else set()


SUBJECTS = (STAMPS, THRESHOLDS, RUNS, BASELINES, REQUESTS)
