"""Cases of what opened a start's way: entries of other logs, and who signed them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .of_rights import heads
from .testkit import File, Fill, Special
from .writing import OTHER, OURS, Log, bad, good, sha, trust

RULES = {
    "build": (["build"], ["*"], ["intake", "build"]),
    "verification": (["verification"], ["*"], ["test", "accept", "certify", "adopt"]),
    "approval": (["release"], ["*"], ["release"]),
    "deploy": (["deploy", "rollback", "adopt"], ["prod"], ["*"]),
}


def roles(*, revoke: str = "", over: str = "", needs: str = "") -> dict[str, File]:
    """Four keys: who builds, who verifies, who approves, who deploys; "verification" may have ended at heads."""
    text = "version = 1\n"
    for key, (stages, environments, actions) in RULES.items():
        lists = zip(("environments", "stages", "actions"), (environments, stages, actions), strict=True)
        text += f'[[rule]]\nkey = "{key}"\ntarget = "live"\n' + "".join(
            f"{name} = {json.dumps(words)}\n" for name, words in lists
        )
        text += f"good = {over}\n" if over and key == "verification" else ""
        text += f"needs = {needs}\n" if needs and key == "deploy" else ""
    return trust(
        *RULES,
        policy=(text + (f'[[revoked]]\nkey = "verification"\ngood = {revoke}\n' if revoke else "")).encode(),
    )


class Proofs:
    """The package's log and staging's, and a start in prod that names entries of theirs."""

    def __init__(self) -> None:
        self.package, self.staging = (
            Log(f"live/{OURS}", key="verification"),
            Log("live/staging", key="verification"),
        )
        self.named: list[Any] = []

    def did(self, action: str, kind: str = "end", *, log: Log | None = None, **said: Any) -> Proofs:
        stage = "release" if action == "release" else "verification"
        key = "approval" if action == "release" else "verification"
        where = log or (self.staging if action == "certify" else self.package)
        where.did(action, kind, **{"stage": stage, "key": key, **said})
        self.named.append(where.proof())
        return self

    def started(self, kind: str = "start", action: str = "deploy", **said: Any) -> tuple[Log, Log, Log]:
        prod = Log("live/prod", key="deploy").add(kind, action, details={"proofs": self.named}, **said)
        return prod, self.package, self.staging


def proof(change: Callable[[Proofs], object]) -> tuple[Log, Log, Log]:
    found = Proofs().did("accept")
    change(found)
    return found.started()


def names(**said: Any) -> Callable[[Proofs], object]:
    return lambda proofs: proofs.named[0].update(said)


good(
    "proof",
    "of each kind",
    *Proofs().did("test").did("accept").did("release").did("certify").started(),
    files=roles(),
)
good(
    "proof",
    "of a rollback",
    *Proofs().did("accept").started(action="rollback", stage="rollback"),
    files=roles(),
)
good("proof", "none", *Proofs().started(), files=roles())
good(
    "proof",
    "a refusal may say anything",
    Log("live/prod", key="deploy").add("refused", details={"proofs": ["x"]}),
    files=roles(),
)


def resigned(proofs: Proofs) -> None:
    """Another signature in the place of the proof's, and the proof named by its digest now."""
    name = f"journal/{proofs.package.place}/{proofs.package.named}"
    first = proofs.package.files[name.replace("2.json", "1.json")]
    assert isinstance(first, bytes)
    whole = json.loads(bytes(proofs.package.files[name]))
    whole["signatures"] = json.loads(first)["signatures"]
    data = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
    proofs.package.files[name] = data
    proofs.named[0]["sha256"] = sha(data)


def instead(file: File | None) -> Callable[[Proofs], object]:
    def change(proofs: Proofs) -> None:
        proofs.package.files[f"journal/live/{OURS}/00000002.json"] = file
        if isinstance(file, bytes):
            proofs.named[0]["sha256"] = sha(file)

    return change


ANOTHERS = "package-" + "1" * 40
BAD_PROOFS: dict[str, tuple[Log, ...]] = {
    "a text": proof(lambda p: p.named.append("accept")),
    "without an action": proof(lambda p: p.named[0].pop("action")),
    "with a field more": proof(names(more=1)),
    "a number that is true": proof(names(seq=True)),
    "a number 0": proof(names(seq=0)),
    "a digest that is short": proof(names(sha256="51")),
    "an environment with a path": proof(names(environment=f"../live/{OURS}")),
    "a number that is not there": proof(names(seq=99)),
    "another entry's digest": proof(names(sha256=OTHER)),
    "another entry's number": proof(names(seq=1)),
    "a log that is not there": proof(names(environment=ANOTHERS)),
    "of another action than it names": proof(names(action="test")),
    "of an action that proves nothing": Proofs().did("build", key="build", stage="build").started(),
    "a failure": Proofs().did("accept", "failed").started(),
    "an abandon": Proofs().did("accept", "abandon").started(),
    "a start": (
        lambda p: (
            p.package.add("start", "accept", stage="verification"),
            p.named.append(p.package.proof()),
            p.started(),
        )[2]
    )(Proofs()),
    "about another package": Proofs().did("accept", digest=OTHER).started(),
    "of another stage": Proofs().did("accept", key="approval", stage="release").started(),
    "in the log of another package": (lambda p, log: (p.did("accept", log=log), (*p.started(), log))[1])(
        Proofs(), Log(f"live/{ANOTHERS}")
    ),
    "in the log of an environment": (lambda p: p.did("accept", log=p.staging).started())(Proofs()),
    "a certificate in the log of a package": (lambda p: p.did("certify", log=p.package).started())(Proofs()),
    "of a key that may not sign it": Proofs().did("accept", key="approval").started(),
    **{
        f"of a {action} that the key of the deploy signed": Proofs().did(action, key="deploy").started()
        for action in ("test", "accept", "release", "certify")
    },
    "of a key that nobody knows": Proofs().did("accept", key="stranger").started(),
    "whose signature does not verify": proof(resigned),
    "that is no entry": proof(instead(b"{}")),
    "that is too big": proof(instead(Fill(b" ", 2**20 + 1))),
    "that is a link": proof(instead(Special("link", "../../../moved"))),
    "that went": proof(instead(None)),
}
for about, logs in BAD_PROOFS.items():
    bad("proof", "proof", about, *logs, files=roles())
bad(
    "proof",
    "proof",
    "the second of two",
    *Proofs().did("test").did("accept", "failed").started(),
    files=roles(),
)
bad(
    "proof",
    "proof",
    "of a rollback that is a failure",
    *Proofs().did("accept", "failed").started(action="rollback", stage="rollback"),
    files=roles(),
)


def ended(*logs: Log) -> dict[str, dict[str, File]]:
    return {"revoked": roles(revoke=heads(*logs)), "over": roles(over=heads(*logs))}


KEPT, LATER = Proofs().did("accept"), Proofs().did("accept")
LATER.named.clear()
LATER.did("accept")
FORGED = Proofs().did("accept", nonce="f" * 32)
BEFORE = Proofs().did("test").did("accept")
for about, files in ended(KEPT.package).items():
    good("proof", f"of a key that is {about}, up to its head", *KEPT.started(), files=files)
    bad("proof", "proof", f"of a key that is {about}, after its head", *LATER.started(), files=files)
    bad(
        "proof",
        "proof",
        f"of a key that is {about}, in the place of its head",
        *FORGED.started(),
        files=files,
    )
for about, files in ended(BEFORE.package).items():
    good(
        "proof",
        f"of a key that is {about}, from which the chain leads to its head",
        *BEFORE.started(),
        files=files,
    )
    lone = Proofs().did("test", nonce="f" * 32)
    later = {
        name: file for name, file in BEFORE.package.files.items() if not name.endswith(("1.json", "2.json"))
    }
    bad(
        "proof",
        "proof",
        f"of a key that is {about}, from which no chain leads to its head",
        *lone.started(),
        files={**files, **later},
    )


# ---- what a rule needs, several components, a log that is a link ---------------------------------------------

BOTH = Proofs().did("test").did("certify")
good("proof", "all that the rule needs", *BOTH.started(), files=roles(needs='["certify", "test"]'))
bad(
    "proof",
    "policy",
    "not all that the rule needs",
    *BOTH.started(),
    files=roles(needs='["certify", "accept"]'),
)
for action in ("rollback", "adopt"):
    good("proof", f"of a start of {action}", *BOTH.started(action=action, stage=action), files=roles())
    forged = Proofs().did("accept", key="deploy").started(action=action, stage=action)
    bad("proof", "proof", f"of a start of {action} that its own key signed", *forged, files=roles())

PARTS = [{"name": "api", "digest": "b" * 64}, {"name": "web", "digest": "a" * 64}]
TOGETHER = sha("".join(f"{part['digest']}  {part['name']}\n" for part in PARTS).encode())
WHOLE = {"digest": TOGETHER, "to": {"components": PARTS}}
good("proof", "of several components", *Proofs().did("test", digest=TOGETHER).started(**WHOLE), files=roles())
bad(
    "proof",
    "proof",
    "of one of several",
    *Proofs().did("test", digest="a" * 64).started(**WHOLE),
    files=roles(),
)

LINKED = Proofs().did("accept")
LINKED_TO = {
    name.replace(f"journal/live/{OURS}", "kept"): file for name, file in LINKED.package.files.items()
}
LINKED.package.files = {f"journal/live/{OURS}": Special("link", "../../kept")}
bad("proof", "proof", "in a log that is a link", *LINKED.started(), files=roles() | LINKED_TO)
