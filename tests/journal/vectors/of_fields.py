"""Cases of what one entry says: its statement, each field of it, and its evidence."""

from __future__ import annotations

from typing import Any

from .testkit import Special
from .writing import DIGEST, Change, Log, bad, good, sha


def said(**fields: Any) -> Change:
    return lambda statement: statement["predicate"].update(fields)


def without(name: str) -> Change:
    return lambda statement: statement["predicate"].pop(name)


STATEMENTS: dict[str, Change] = {
    "another type": lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
    "without a type": lambda s: s.pop("_type"),
    "another type of predicate": lambda s: s.update(predicateType="x"),
    "without a type of predicate": lambda s: s.pop("predicateType"),
    "a field more": lambda s: s.update(more=1),
    "without a predicate": lambda s: s.pop("predicate"),
    "a predicate that is a list": lambda s: s.update(predicate=[]),
    "without a subject": lambda s: s.pop("subject"),
    "no subject": lambda s: s.update(subject=[]),
    "two subjects": lambda s: s["subject"].append(s["subject"][0]),
    "a subject that is an object": lambda s: s.update(subject=s["subject"][0]),
    "a subject with a field more": lambda s: s["subject"][0].update(uri="x"),
    "a subject without a name": lambda s: s["subject"][0].pop("name"),
    "a subject whose name is empty": lambda s: s["subject"][0].update(name=""),
    "a subject whose name has a space": lambda s: s["subject"][0].update(name="slug: x"),
    "a subject whose name is too long": lambda s: s["subject"][0].update(name="x" * 256),
    "a subject without a digest": lambda s: s["subject"][0].pop("digest"),
    "a subject with two digests": lambda s: s["subject"][0]["digest"].update(sha1="0" * 40),
    "a subject whose digest is short": lambda s: s["subject"][0]["digest"].update(sha256="9f" * 31),
    "a subject whose digest has capitals": lambda s: s["subject"][0]["digest"].update(sha256="9F" * 32),
    "a subject that is another environment": lambda s: s.update(
        subject=[{"name": "environment:sandbox/staging", "digest": {"sha256": "0" * 64}}]
    ),
    "an environment with another digest than prev": lambda s: s.update(
        subject=[{"name": "environment:sandbox/prod", "digest": {"sha256": DIGEST}}]
    ),
}
for about, change in STATEMENTS.items():
    bad("statement", "form", about, Log().add(edit=change))
good("statement", "about the environment alone", Log().add(subject=""))
good("statement", "a name of 255 letters", Log().add(subject="x" * 255))
bad("statement", "form", "an object that is no statement", Log().seal(b"{}", 1))
bad("statement", "form", "a text that is no statement", Log().seal(b'"x"', 1))

TEXTS = ("action", "at", "environment", "kind", "nonce", "prev", "stage", "target")
for field in (*TEXTS, "evidence", "seq"):
    bad("fields", "form", f"{field} is missing", Log().add(edit=without(field)))
    bad("fields", "form", f"{field} is null", Log().add(edit=said(**{field: None})))
    bad(
        "fields",
        "form",
        f"{field} is of another type",
        Log().add(edit=said(**{field: "1" if field in ("seq", "evidence") else 1})),
    )
FIELDS: dict[str, dict[str, Any]] = {
    "a kind that is unknown": {"kind": "success"},
    "a kind with a line end": {"kind": "note\n"},
    "an empty action": {"action": ""},
    "an action that begins with a space": {"action": " deploy"},
    "an action of 101 letters": {"action": "a" * 101},
    "an action outside of ASCII": {"action": "dépl"},
    "a stage with a slash": {"stage": "a/b"},
    "a stage with a line end": {"stage": "deploy\n"},
    "a time without a zone": {"at": "2026-11-20T18:30:00.000000"},
    "a time without fractions": {"at": "2026-11-20T18:30:00Z"},
    "a time of three fractional digits": {"at": "2026-11-20T18:30:00.000Z"},
    "a time with an offset": {"at": "2026-11-20T18:30:00.000000+00:00"},
    "a time in a small z": {"at": "2026-11-20T18:30:00.000000z"},
    "30 February": {"at": "2026-02-30T18:30:00.000000Z"},
    "29 February of no leap year": {"at": "2100-02-29T18:30:00.000000Z"},
    "31 April": {"at": "2026-04-31T18:30:00.000000Z"},
    "month 13": {"at": "2026-13-01T18:30:00.000000Z"},
    "month 0": {"at": "2026-00-01T18:30:00.000000Z"},
    "day 0": {"at": "2026-01-00T18:30:00.000000Z"},
    "hour 24": {"at": "2026-11-20T24:00:00.000000Z"},
    "minute 60": {"at": "2026-11-20T18:60:00.000000Z"},
    "second 60": {"at": "2026-11-20T18:30:60.000000Z"},
    "a year that begins with 0": {"at": "0999-11-20T18:30:00.000000Z"},
    "digits that are not ASCII": {"at": "2026-11-20T18:30:0٠.000000Z"},
    "a nonce of 31 digits": {"nonce": "0" * 31},
    "a nonce in capitals": {"nonce": "A" * 32},
    "prev of 63 digits": {"prev": "0" * 63},
    "prev with a line end": {"prev": "0" * 64 + "\n"},
    "seq 0": {"seq": 0},
    "seq -1": {"seq": -1},
    "seq true": {"seq": True},
    "seq of nine digits": {"seq": 100_000_000},
    "a target in capitals": {"target": "Sandbox"},
    "an environment with a path": {"environment": "../prod"},
    "an environment of 101 letters": {"environment": "a" * 101},
    "details that are a list": {"details": [1]},
    "details that are null": {"details": None},
    "details that are empty": {"details": {}},
    "details that hide settles": {"details": {"settles": 1}},
    "details that hide an outcome": {"details": {"outcome": "x"}},
}
for about, fields in FIELDS.items():
    bad("fields", "form", about, Log().add(edit=said(**fields)))
good("fields", "29 February of a leap year", Log().add(at="2028-02-29T23:59:59.999999Z"))
good("fields", "29 February of 2000", Log().add(at="2000-02-29T00:00:00.000000Z"))
good("fields", "labels of 100 letters", Log().add(action="A1 ._-" + "z" * 94, stage="9" * 100))
good(
    "fields",
    "all that has a place of its own",
    Log().add(
        **{
            "from": {"release": 1},
            "to": [],
            "change": {"id": "C-1", "why": "x"},
            "actor": "a",
            "attempts": 3,
            "verdicts": None,
            "outcome": True,
        }
    ),
)
good(
    "unknown-fields",
    "of a later version",
    Log().add(heartbeat={"at": 1}, zz="\x7f\u0085é", Actor=[None, False]),
)
good("unknown-fields", "inside of details", Log().add(details={"new": {"deep": [[]]}}))

# ---- evidence ----------------------------------------------------------------------------------------------

HELLO = b"hello\n"
ITEM = {"name": "ship.log", "sha256": sha(HELLO), "size": len(HELLO)}
EVIDENCE = f"journal/evidence/{sha(HELLO)}"
ITEMS: dict[str, Any] = {
    "an object instead of the list": {},
    "a text in the list": ["x"],
    "an item without a name": [{"sha256": sha(HELLO), "size": 6}],
    "an item without a digest": [{"name": "a", "size": 6}],
    "an item without a size": [{"name": "a", "sha256": sha(HELLO)}],
    "an item with a field more": [{**ITEM, "more": 1}],
    "a name with a path": [{**ITEM, "name": "../a"}],
    "a name with a slash": [{**ITEM, "name": "a/b"}],
    "a name that begins with a dot": [{**ITEM, "name": ".hidden"}],
    "a name with a line end": [{**ITEM, "name": "a\nb"}],
    "an empty name": [{**ITEM, "name": ""}],
    "a name of 201 letters": [{**ITEM, "name": "x" * 201}],
    "a digest that is a path": [{**ITEM, "sha256": "../" * 21 + "a"}],
    "a digest that is short": [{**ITEM, "sha256": "51" * 31}],
    "a size that is true": [{**ITEM, "size": True}],
    "a size below 0": [{**ITEM, "size": -1}],
    "a size that is a text": [{**ITEM, "size": "6"}],
    "a size of more than 64 MiB": [{**ITEM, "size": 2**26 + 1}],
}
for about, items in ITEMS.items():
    bad("evidence", "form", about, Log().add(evidence=items), files={EVIDENCE: HELLO})
good(
    "evidence",
    "two files",
    Log().add(evidence=[ITEM, {"name": "_A.b,c:d+e@f -" + "x" * 186, "sha256": sha(b""), "size": 0}]),
    files={EVIDENCE: HELLO, f"journal/evidence/{sha(b'')}": b""},
)
bad("evidence", "evidence", "that is not there", Log().add(evidence=[ITEM]), reader="good")
bad(
    "evidence",
    "evidence",
    "with other bytes",
    Log().add(evidence=[ITEM]),
    files={EVIDENCE: b"hallo\n"},
    reader="good",
)
bad(
    "evidence",
    "evidence",
    "of another size",
    Log().add(evidence=[{**ITEM, "size": 5}]),
    files={EVIDENCE: HELLO},
    reader="good",
)
bad(
    "evidence",
    "evidence",
    "that is a link",
    Log().add(evidence=[ITEM]),
    files={EVIDENCE: Special("link", "../moved"), "journal/moved": HELLO},
    reader="good",
)
bad(
    "evidence",
    "evidence",
    "that is a folder",
    Log().add(evidence=[ITEM]),
    files={EVIDENCE: Special("folder")},
    reader="good",
)
bad(
    "evidence",
    "evidence",
    "that is a pipe",
    Log().add(evidence=[ITEM]),
    files={EVIDENCE: Special("pipe")},
    reader="good",
)
