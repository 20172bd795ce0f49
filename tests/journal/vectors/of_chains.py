"""Cases of what may follow what in one log: its place, number, predecessor and time, the lock, an accepted loss."""

from __future__ import annotations

from typing import Any

from .writing import OTHER, PACKAGE, Log, bad, good, sha

good(
    "chain",
    "every kind",
    Log()
    .add("refused")
    .add("start")
    .add("note")
    .add("end", settles=2)
    .add("start")
    .add("failed", settles=5)
    .add("start")
    .add("abandon", settles=7),
)
bad("place", "place", "another environment", Log().add(environment="staging", subject=PACKAGE))
bad("place", "place", "another target", Log().add(target="live"))
for place in ("evidence", "beats"):
    good("place", f"an environment that is called {place}x", Log(f"sandbox/{place}x").add())
bad("seq", "order", "a number that is too high", Log().add().add(seq=3))
bad("seq", "order", "the number of the entry before it", Log().add().add(seq=1))
bad(
    "seq",
    "order",
    "two entries swapped",
    Log().add().add().add(),
    file="00000002.json",
    files={
        f"journal/sandbox/prod/{new:08d}.json": Log()
        .add()
        .add()
        .add()
        .files[f"journal/sandbox/prod/{old:08d}.json"]
        for old, new in ((2, 3), (3, 2))
    },
)
bad(
    "seq",
    "order",
    "an old entry again",
    Log().add().add(),
    file="00000003.json",
    files={
        "journal/sandbox/prod/00000003.json": Log().add().add().files["journal/sandbox/prod/00000002.json"]
    },
)
bad("seq", "order", "a log that begins at 2", Log().add(seq=2))
bad("prev", "chain", "another digest", Log().add().add(prev="f" * 64))
bad("prev", "chain", "zeros again", Log().add().add(prev="0" * 64))
bad("prev", "chain", "no zeros in the first entry", Log().add(prev="f" * 64))
bad("prev", "chain", "the digest of the payload", Log().add().add(prev=sha(b"x")))
bad(
    "prev",
    "chain",
    "an entry that was replaced and signed anew",
    Log().add().add(),
    file="00000002.json",
    files={
        "journal/sandbox/prod/00000001.json": Log()
        .add(nonce="f" * 32)
        .files["journal/sandbox/prod/00000001.json"]
    },
)

# ---- time --------------------------------------------------------------------------------------------------

AT = "2026-11-20T18:30:00.000000Z"
good("time", "the same instant", Log().add(at=AT).add(at=AT))
bad("time", "time", "before the entry before it", Log().add(at=AT).add(at="2026-11-20T18:29:59.999999Z"))


def clock(at: Any, **more: Any) -> dict[str, Any]:
    return {"at": "2026-11-20T19:00:00.000000Z", "details": {"clock": at, **more}}


good("clock", "one behind the entry's time", Log().add(**clock("2026-11-20T18:59:59.000000Z")))
good("clock", "600 s behind the one before", Log().add(at="2026-11-20T18:40:00.999999Z").add(**clock(AT)))
bad(
    "clock",
    "time",
    "601 s behind the one before",
    Log().add(at="2026-11-20T18:40:01.000000Z").add(**clock(AT)),
)
good(
    "clock",
    "an hour behind, with a reason",
    Log()
    .add(**clock("2026-11-20T19:00:00.000000Z"))
    .add(**clock("2026-11-20T18:00:00.000000Z", clock_why="it was wrong")),
)
bad(
    "clock",
    "time",
    "an hour behind, with an empty reason",
    Log()
    .add(**clock("2026-11-20T19:00:00.000000Z"))
    .add(**clock("2026-11-20T18:00:00.000000Z", clock_why="")),
)
bad(
    "clock",
    "time",
    "an hour behind, with a reason that is a number",
    Log()
    .add(**clock("2026-11-20T19:00:00.000000Z"))
    .add(**clock("2026-11-20T18:00:00.000000Z", clock_why=1)),
)
bad("clock", "time", "later than the entry's time", Log().add(**clock("2026-11-20T19:00:00.000001Z")))
HOUR = "2026-11-20T18:00:00.000000Z"
for why in (None, False, ["x"]):
    behind = clock(HOUR, clock_why=why)
    bad(
        "clock",
        "time",
        f"an hour behind, with {why}",
        Log().add(at="2026-11-20T19:00:00.000000Z").add(**behind),
    )
good("clock", "the entry's own time", Log().add(**clock("2026-11-20T19:00:00.000000Z")))
for moment in ("2024-02-29T00:00:00.000000Z", "1969-12-31T23:59:59.000000Z"):
    good("clock", moment, Log().add(**clock(moment, clock_why="x")))
MALFORMED = {
    "a word": "soon",
    "a number": 1,
    "null": None,
    "false": False,
    "an object": {},
    "no fraction": "2026-11-20T18:30:00Z",
    "30 February": "2026-02-30T18:30:00.000000Z",
    "month 13": "2026-13-01T00:00:00.000000Z",
    "29 February of no leap year": "2025-02-29T00:00:00.000000Z",
    "hour 24": "2026-01-01T24:00:00.000000Z",
    "a leap second": "2016-12-31T23:59:60.000000Z",
    "a year that begins with 0": "0999-01-01T00:00:00.000000Z",
    "digits that are not ASCII": "\u0968026-01-01T00:00:00.000000Z",
    "a line end": "2026-11-20T18:30:00.000000Z\n",
}
for about, malformed in MALFORMED.items():
    bad("clock", "time", f"malformed, {about}", Log().add(**clock(malformed, clock_why="x")))

# ---- the lock ----------------------------------------------------------------------------------------------

bad("lock", "lock", "a start while another is open", Log().add("start").add("start"))
bad("lock", "lock", "a start after a note while another is open", Log().add("start").add().add("start"))
for kind in ("end", "failed", "abandon"):
    bad("lock", "lock", f"{kind} without a start", Log().add(kind, settles=1))
    bad("lock", "lock", f"{kind} that names no start", Log().add("start").add(kind))
    bad("lock", "lock", f"{kind} that names true", Log().add("start").add(kind, settles=True))
    bad("lock", "lock", f"{kind} that names a text", Log().add("start").add(kind, settles="1"))
    bad("lock", "lock", f"{kind} that names itself", Log().add("start").add(kind, settles=2))
    bad("lock", "lock", f"{kind} of what is settled already", Log().did().add("start").add(kind, settles=1))
    bad(
        "lock",
        "lock",
        f"{kind} of what was given up",
        Log().add("start").add("abandon", settles=1).add(kind, settles=1),
    )
for kind in ("start", "refused", "note"):
    bad("lock", "lock", f"{kind} that settles", Log().add("start").add("end", settles=1).add(kind, settles=1))
    good("lock", f"{kind} that settles null", Log().add(kind, settles=None))
good("lock", "a start that is still open", Log().add("start"))
for about, change in {"action": {"action": "rollback"}, "stage": {"stage": "migrate"}}.items():
    for kind in ("end", "failed"):
        bad(
            "same-action",
            "stage",
            f"{kind} of another {about}",
            Log().add("start").add(kind, settles=1, **change),
        )
    good(
        "same-action",
        f"an abandon of another {about}",
        Log().add("start").add("abandon", settles=1, **change),
    )
for kind in ("end", "failed"):
    bad(
        "same-package",
        "package",
        f"{kind} of another package",
        Log().add("start").add(kind, settles=1, digest=OTHER),
    )
    bad(
        "same-package",
        "package",
        f"{kind} of no package",
        Log().add("start").add(kind, settles=1, subject=""),
    )
    good(
        "same-package",
        f"{kind} of any package after a start of none",
        Log().add("start", subject="").add(kind, settles=1, digest=OTHER),
    )
good(
    "same-package",
    "an abandon of another package",
    Log().add("start").add("abandon", settles=1, digest=OTHER),
)

REFUSED = [1, {"guard": "one_head", "outcome": "refuse"}]
bad("refused", "refused", "a start that a guard refused", Log().add("start", verdicts=REFUSED))
good("refused", "a refusal with its verdicts", Log().add("refused", verdicts=REFUSED))
good(
    "refused",
    "a start that all guards let pass",
    Log().add("start", verdicts=[{"outcome": "pass"}, {"outcome": "n/a"}, "refuse"]),
)
for kind in ("start", "refused", "note"):
    for about, receipts in (
        ("a receipt", [{"release": 7}]),
        ("a text", "yes"),
        ("a number", 1),
        ("an object", {"a": 0}),
    ):
        bad("effect", "effect", f"{kind} with {about}", Log().add(kind, details={"receipts": receipts}))
    good("effect", f"{kind} without receipts", Log().add(kind, details={"receipts": []}))
good(
    "effect",
    "an end with its receipts",
    Log().add("start").add("end", settles=1, details={"receipts": [{"release": 7}]}),
)

# ---- a loss that was accepted ------------------------------------------------------------------------------

LOST = {"seq": 9, "sha256": "ab" * 32, "from": "the tag x anchors it"}


def loss(log: Log, *, on: Any = 1001, why: Any = None, **lost: Any) -> Log:
    told = {name: value for name, value in {**LOST, **lost}.items() if value is not ...}
    return log.add(
        "note",
        "accept-loss",
        stage="loss",
        subject="",
        change={"id": "", "why": "it was emptied"},
        details={"lost": told, **({} if on is ... else {"goes_on_at": on})},
    )


good("loss", "at the end", loss(Log().add()))
good("loss", "with an open start", loss(Log().add("start")).add("end", number=1001, settles=1))
good("loss", "from the first entry on", loss(Log()).add(number=1001).add())
good("loss", "of the note's own number alone", loss(Log().add(), seq=2, on=3).add(number=3))
good("loss", "of all that 12 digits are known of", loss(Log(), sha256="ab" * 6).add(number=1001))
good(
    "loss", "a second one", loss(loss(Log().add()).add(number=1001).add(), seq=1003, on=3001).add(number=3001)
)
good(
    "loss",
    "another note that says the like",
    Log().add("note", "comment", details={"lost": 1, "goes_on_at": 9}),
)
BAD_LOSSES: dict[str, dict[str, Any]] = {
    "without a number": {"seq": ...},
    "without a digest": {"sha256": ...},
    "without a source": {"from": ...},
    "with a field more": {"more": 1},
    "with a digest of 11 digits": {"sha256": "a" * 11},
    "with a digest of 65 digits": {"sha256": "a" * 65},
    "with an empty source": {"from": ""},
    "with a source of 201 letters": {"from": "x" * 201},
    "with a source outside of ASCII": {"from": "é"},
    "with a number that is a text": {"seq": "9"},
    "with a number that is true": {"seq": True},
    "with a number before the note": {"seq": 1},
    "with a number at which it goes on": {"seq": 1001},
    "that goes on at what was lost": {"on": 9},
    "that goes on at a text": {"on": "1001"},
    "that goes on at true": {"on": True},
    "that goes on at nine digits": {"on": 100_000_000},
    "that goes on nowhere": {"on": ...},
}
for about, lost in BAD_LOSSES.items():
    bad("loss", "loss", about, loss(Log().add(), **lost))
bad("loss", "loss", "that says nothing", Log().add("note", "accept-loss"))
for number in (3, 500, 1002):
    bad("loss", "order", f"after which the log goes on at {number}", loss(Log().add()).add(number=number))
bad("loss", "chain", "after which an entry names another one", loss(Log().add()).add(number=1001, prev=OTHER))
