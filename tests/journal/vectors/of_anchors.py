"""Cases of heads that were noted outside of the store."""

from __future__ import annotations

import json

from .of_rights import rule
from .of_trust import SPECIAL
from .testkit import File, Fill, Special
from .writing import OTHER, Log, bad, good, policy_of, trust

ANCHOR = {"anchors": ("anchors/1",)}
LAST = Log().add()
TOLD = {"environment": "prod", "seq": 1, "sha256": LAST.head, "target": "sandbox"}
WHOLE = json.dumps(TOLD).encode()
DIGEST_OF = b'"sha256": "' + OTHER.encode() + b'"'
POLICY = b'"policy": {"version": 1, ' + DIGEST_OF + b"}"


def anchor(data: bytes | File) -> dict[str, File]:
    return {**trust(), "anchors/1": data}


GOOD_ANCHORS = {
    "as it is made": WHOLE + b"\n",
    "in another order without spaces": json.dumps(
        dict(reversed(TOLD.items())), separators=(",", ":")
    ).encode()
    + b"\n\n",
    "with many spaces": WHOLE.replace(b":", b"  :  ").replace(b"{", b" { "),
}
BAD_ANCHORS = {
    **{
        f"seq {n}": WHOLE.replace(b'"seq": 1', b'"seq": ' + n.encode())
        for n in ("1.0", "1e0", "0.1e1", "+1", "01", '"1"', "-1", "0", "100000000", "null", "NaN")
    },
    "a key twice": WHOLE.replace(b"{", b'{"seq": 4, '),
    "a key twice, instead of another": WHOLE.replace(b'"target": "sandbox"', b'"seq": 1'),
    "a key more": WHOLE.replace(b"{", b'{"x": 1, '),
    "a key less": WHOLE.replace(b', "target": "sandbox"', b""),
    "an escape": WHOLE.replace(b"prod", b"\\u0070rod"),
    "a policy of null": WHOLE.replace(b"{", b'{"policy": null, '),
    "a policy twice": WHOLE.replace(b"{", b"{" + POLICY + b", " + POLICY + b", "),
    "a policy with one key twice": WHOLE.replace(
        b"{", b"{" + POLICY.replace(DIGEST_OF, b'"version": 1') + b", "
    ),
    "a line end inside": WHOLE.replace(b", ", b",\n"),
    "a tab": WHOLE.replace(b", ", b",\t"),
    "CR LF": WHOLE + b"\r\n",
    "a NUL behind it": WHOLE + b"\0",
    "two anchors": WHOLE + b"\n" + WHOLE + b"\n",
    "nothing": b"",
    "a line end alone": b"\n",
    "a byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "a record separator": b"\x1e" + WHOLE,
    "no UTF-8": WHOLE.replace(b"prod", b"pr\xffod"),
    "a comment": WHOLE + b" # x",
    "a list": b"[" + WHOLE + b"]",
    "deep lists": b"[" * 5000 + b"]" * 5000,
    "a number": b"5",
    "a digest in capitals": WHOLE.replace(LAST.head.encode(), LAST.head.upper().encode()),
    "an environment in capitals": WHOLE.replace(b"prod", b"PROD"),
}
for about, data in GOOD_ANCHORS.items():
    good("anchor", about, LAST, files=anchor(data), **ANCHOR)
for about, data in BAD_ANCHORS.items():
    bad("anchor", "anchor", about, LAST, file="prod", files=anchor(data), reader="good", **ANCHOR)
for about, special in {
    **SPECIAL,
    "a link": Special("link", "../kept"),
    "too big": Fill(WHOLE + b" " * 100, 2**16 + 1),
}.items():
    bad(
        "anchor",
        "anchor",
        f"{about} in its place",
        LAST,
        file="prod",
        files={**anchor(special), "kept": WHOLE},
        reader="good",
        **ANCHOR,
    )
good("anchor", "of an entry that is not the last", Log().add().add(), files=anchor(WHOLE), **ANCHOR)
bad(
    "anchor",
    "anchor",
    "of another entry of that number",
    Log().add(nonce="f" * 32),
    files=anchor(WHOLE),
    reader="good",
    **ANCHOR,
)
bad(
    "anchor",
    "anchor",
    "beyond the end",
    LAST,
    file="00000002.json",
    files=anchor(WHOLE.replace(b'"seq": 1', b'"seq": 2')),
    reader="good",
    **ANCHOR,
)
bad(
    "anchor",
    "anchor",
    "of another log alone",
    LAST,
    file="prod",
    files=anchor(WHOLE.replace(b"prod", b"staging")),
    reader="good",
    **ANCHOR,
)
NAMED = json.dumps({**TOLD, "policy": policy_of(rule(target="sandbox"))}).encode()
good(
    "anchor",
    "under the policy in force",
    LAST,
    files={**rule(target="sandbox"), "anchors/1": NAMED},
    **ANCHOR,
)
good(
    "anchor",
    "under an older policy",
    LAST,
    files={**rule(target="sandbox", version=2), "anchors/1": NAMED},
    **ANCHOR,
)
bad(
    "anchor",
    "policy",
    "under a newer policy",
    LAST,
    file="trust",
    files=anchor(NAMED),
    reader="good",
    **ANCHOR,
)
bad(
    "anchor",
    "policy",
    "under another policy of the same number",
    LAST,
    file="trust",
    files={**rule(target="sandbox", actions='["deploy"]'), "anchors/1": NAMED},
    reader="good",
    **ANCHOR,
)
