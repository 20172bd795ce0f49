"""Cases of who may sign what: rules, revocations, rules that are over, and the policy that an entry names."""

from __future__ import annotations

from collections.abc import Mapping

from .testkit import File
from .writing import KEYS, OTHER, Log, bad, good, policy_of, trust

Files = Mapping[str, File]


def rule(
    key: str = "deployer",
    target: str = "live",
    version: int = 1,
    names: tuple[str, ...] = ("deployer",),
    **said: str,
) -> dict[str, File]:
    """A trust folder with one rule; "" leaves a line out."""
    lines = {
        "key": f'"{key}"',
        "target": f'"{target}"',
        "environments": '["prod", "staging"]',
        "stages": '["deploy"]',
        "actions": '["*"]',
    }
    text = "".join(f"{name} = {value}\n" for name, value in {**lines, **said}.items() if value)
    return trust(*names, policy=f"version = {version}\n[[rule]]\n{text}".encode())


def live(files: Files, *, named: Files | None = None, place: str = "live/prod") -> Log:
    """One entry at 18:00:01 under the policy of `named`, by default of these files."""
    return Log(place, policy=policy_of(named or files)).add("start")


MAY: dict[str, dict[str, str]] = {
    "what the rule names": {},
    "everything": {"environments": '["*"]', "stages": '["*"]'},
    "from that second on": {"from": '"2026-11-20T18:00:01Z"'},
    "to the second after": {"until": '"2026-11-20T18:00:02Z"'},
}
for about, said in MAY.items():
    files = rule(**said)
    good("permission", about, live(files), files=files)
MAY_NOT: dict[str, dict[str, str]] = {
    "in another target": {"target": "sandbox"},
    "in another environment": {"environments": '["staging"]'},
    "in another stage": {"stages": '["build"]'},
    "another action": {"actions": "[]"},
    "from the second after": {"from": '"2026-11-20T18:00:02Z"'},
    "up to that second": {"until": '"2026-11-20T18:00:01Z"'},
    "after its rule was over at once": {"good": "[]"},
    "after its rule was over in another log": {"good": f'["live/else 9 {OTHER}"]'},
    "without the proof that the rule needs": {"needs": '["test"]'},
}
for about, said in MAY_NOT.items():
    files = rule(**said)
    bad("permission", "policy", about, live(files), files=files)
bad("permission", "policy", "without a policy outside of the sandbox", Log("live/prod").add())
bad(
    "permission",
    "policy",
    "a key that no rule names",
    Log("live/prod", key="stranger", policy=policy_of(rule(names=("deployer", "stranger")))).add(),
    files=rule(names=("deployer", "stranger")),
)
good(
    "permission",
    "a key that no rule names in the sandbox",
    Log(key="stranger", policy=policy_of(rule(names=("deployer", "stranger")))).add(),
    files=rule(names=("deployer", "stranger")),
)
bad(
    "permission",
    "policy",
    "in the sandbox more than its rule there",
    Log(policy=policy_of(rule(target="sandbox", stages='["build"]'))).add(),
    files=rule(target="sandbox", stages='["build"]'),
)
good(
    "permission",
    "what is no start needs no proof",
    Log("live/prod", policy=policy_of(rule(needs='["test"]'))).add(),
    files=rule(needs='["test"]'),
)
CLOCK = {"at": "2030-01-01T00:00:00.000000Z"}
ENDS = rule(until='"2027-01-01T00:00:00Z"')
good(
    "permission",
    "by the writer's clock where at is far ahead",
    Log("live/prod", policy=policy_of(ENDS)).add(**CLOCK, details={"clock": "2026-11-20T18:00:00.000000Z"}),
    files=ENDS,
)
bad(
    "permission",
    "policy",
    "where the writer's clock is past its end",
    Log("live/prod", policy=policy_of(ENDS)).add(**CLOCK),
    files=ENDS,
)

ONE, TWO = rule(), rule(version=2)
bad("policy-named", "policy", "one where the trust folder has none", live(ONE), files=trust())
bad(
    "permission",
    "policy",
    "a policy without a rule",
    Log("live/prod").add(),
    files=trust(policy=b"version = 1\n"),
)
bad("policy-named", "policy", "newer than the trust folder's", live(ONE, named=TWO), files=ONE)
bad(
    "policy-named",
    "policy",
    "another of the same number",
    live(ONE, named=rule(actions='["deploy"]')),
    files=ONE,
)
good("policy-named", "older than the trust folder's", live(TWO, named=ONE), files=TWO)
good(
    "policy-named",
    "first the older and then the newer",
    Log("live/prod", policy=policy_of(ONE)).add().add(details={"policy": policy_of(TWO)}),
    files=TWO,
)
bad(
    "policy-named",
    "policy",
    "the older after the newer",
    Log("live/prod", policy=policy_of(TWO)).add().add(details={"policy": policy_of(ONE)}),
    files=TWO,
)
bad(
    "policy-named",
    "policy",
    "none after one",
    Log("live/prod", policy=policy_of(ONE)).add().add(details={"x": 1, "policy": None}),
    files=ONE,
)
bad(
    "policy-named",
    "policy",
    "another after one of the same number",
    Log("live/prod", policy=policy_of(TWO))
    .add(details={"policy": policy_of(ONE)})
    .add(details={"policy": policy_of(rule(actions='["deploy"]'))}),
    files=TWO,
)
bad(
    "policy-named",
    "policy",
    "with another key under the same name",
    live(ONE),
    files=ONE | {"trust/x.pub": KEYS["stranger"].line},
)
for about, named in {
    "version 0": {"version": 0, "sha256": OTHER},
    "version true": {"version": True, "sha256": OTHER},
    "version of ten digits": {"version": 10**9, "sha256": OTHER},
    "a digest that is short": {"version": 1, "sha256": "51"},
    "a digest in capitals": {"version": 1, "sha256": "AB" * 32},
    "a digest with a line end": {"version": 1, "sha256": OTHER + "\n"},
    "a field more": {"version": 1, "sha256": OTHER, "x": 1},
    "no digest": {"version": 1},
    "a text": "1",
    "a number": 1,
    "false": False,
    "an empty object": {},
}.items():
    bad("policy-named", "policy", f"malformed, {about}", Log().add(details={"policy": named}))

# ---- revoked keys, and rules that are over -----------------------------------------------------------------


def heads(*logs: Log) -> str:
    return "[" + ", ".join(f'"{log.place} {log.seq} {log.head}"' for log in logs) + "]"


def revoked(good_heads: str, rule_good: str = "") -> dict[str, File]:
    over = f"good = {rule_good}\n" if rule_good else ""
    text = 'version = 1\n[[rule]]\nkey = "deployer"\ntarget = "sandbox"\nenvironments = ["*"]\n'
    text += f'stages = ["*"]\nactions = ["*"]\n{over}'
    return trust(
        policy=(
            text + (f'[[revoked]]\nkey = "deployer"\ngood = {good_heads}\n' if good_heads else "")
        ).encode()
    )


for about, ended in {
    "a key that was revoked": lambda h: revoked(h),
    "a rule that is over": lambda h: revoked("", h),
}.items():
    good("good-heads", f"{about} up to its head", Log().add().add(), files=ended(heads(Log().add().add())))
    bad("good-heads", "policy", f"{about} after its head", Log().add().add(), files=ended(heads(Log().add())))
    bad("good-heads", "policy", f"{about} without a head", Log().add(), files=ended("[]"))
    bad(
        "good-heads",
        "policy",
        f"{about} with the head of another log alone",
        Log().add(),
        files=ended(heads(Log("sandbox/else").add())),
    )
    bad(
        "good-heads",
        "anchor",
        f"{about} and another entry in the place of its head",
        Log().add(nonce="f" * 32),
        files=ended(heads(Log().add())),
    )
    bad(
        "good-heads",
        "anchor",
        f"{about} and a log that ends before its head",
        Log().add(),
        file="00000002.json",
        files=ended(heads(Log().add().add())),
    )
