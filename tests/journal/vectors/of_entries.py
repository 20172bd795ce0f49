"""Cases of one entry by itself: where it lies, its bytes, its signature."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .testkit import Fill, Special
from .writing import KEYS, Change, Log, bad, good


def swapped(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old in data, (old, data)
        return data.replace(old, new, 1)

    return change


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


ONE = "journal/sandbox/prod/00000001.json"

# ---- where entries lie -------------------------------------------------------------------------------------

good("entry-file", "one entry", Log().add())
good(
    "entry-file",
    "a torn file that a killed writer left",
    Log().add(),
    files={"journal/sandbox/prod/.0123456789abcdef.part": b"torn"},
)
bad(
    "entry-file",
    "folder",
    "no entry",
    Log(),
    file="prod",
    files={"journal/sandbox/prod": Special("folder")},
    reader="good",
)
bad(
    "entry-file",
    "folder",
    "a log that is a link to another",
    Log("sandbox/staging").add(),
    file="prod",
    log="sandbox/prod",
    files={"journal/sandbox/prod": Special("link", "staging")},
)
for stray in (
    "notes.txt",
    "3.json",
    "00000000.json",
    "0000000a.json",
    ".hidden",
    "..x",
    ".0123456789abcdeg.part",
):
    bad(
        "entry-file",
        "folder",
        f"a stray file {stray}",
        Log().add(),
        file=stray,
        files={f"journal/sandbox/prod/{stray}": b""},
    )
for kind, about in (("link", "a link"), ("folder", "a folder"), ("pipe", "a pipe")):
    bad(
        "entry-file",
        "file",
        f"{about} in the place of an entry",
        Log().add().add(),
        files={
            "journal/sandbox/prod/00000002.json": Special(kind, "../../moved" if kind == "link" else ""),
            "journal/moved": Log().add().add().files["journal/sandbox/prod/00000002.json"],
        },
    )
bad(
    "entry-file",
    "size",
    "a file of more than 1 MiB",
    Log().add(),
    file="00000002.json",
    files={"journal/sandbox/prod/00000002.json": Fill(b" ", 2**20 + 1)},
)
bad(
    "entry-file",
    "missing",
    "the first entry is missing",
    Log().add().add(),
    file="00000001.json",
    files={ONE: None},
)
bad(
    "entry-file",
    "missing",
    "an entry in the middle is missing",
    Log().add().add().add(),
    file="00000002.json",
    files={"journal/sandbox/prod/00000002.json": None},
)

# ---- the envelope ------------------------------------------------------------------------------------------

ENVELOPES: dict[str, Change] = {
    "a field more": lambda e: e.update(x=1),
    "without payload": lambda e: e.pop("payload"),
    "without payloadType": lambda e: e.pop("payloadType"),
    "without signatures": lambda e: e.pop("signatures"),
    "another type of payload": lambda e: e.update(payloadType="text/plain"),
    "a payload that is a number": lambda e: e.update(payload=1),
    "a payload that is no base64": lambda e: e.update(payload="!!!!"),
    "a payload without padding": lambda e: e.update(payload="e30"),
    "a payload whose last letter has bits too many": lambda e: e.update(payload="e31="),
    "a payload with a line end": lambda e: e.update(payload=e["payload"][:76] + "\n" + e["payload"][76:]),
    "a payload in the alphabet of URLs": lambda e: e.update(payload="-_-_"),
    "no signature": lambda e: e.update(signatures=[]),
    "two signatures": lambda e: e["signatures"].append(e["signatures"][0]),
    "signatures that are no list": lambda e: e.update(signatures=e["signatures"][0]),
    "a signature with a field more": lambda e: e["signatures"][0].update(x=1),
    "a signature without a keyid": lambda e: e["signatures"][0].pop("keyid"),
    "a signature without a sig": lambda e: e["signatures"][0].pop("sig"),
    "a keyid that is a number": lambda e: e["signatures"][0].update(keyid=1),
    "a sig that is null": lambda e: e["signatures"][0].update(sig=None),
    "a sig of 3 bytes": lambda e: e["signatures"][0].update(sig="AAAA"),
    "a sig whose last letter has bits too many": lambda e: e["signatures"][0].update(
        sig=e["signatures"][0]["sig"][:-3] + "B=="
    ),
}
for about, change in ENVELOPES.items():
    bad("envelope", "form", about, Log().add(envelope=change))
for about, data in {
    "nothing": b"",
    "an open bracket": b"{]",
    "null": b"null",
    "a list": b"[]",
    "no UTF-8": b"\xff{}",
    "deep nesting": b"[" * 3000 + b"]" * 3000,
}.items():
    bad("envelope", "form", f"instead of an envelope {about}", Log().put(data))
bad("envelope", "form", "half of it", Log().add(data=lambda data: data[:300]))
bad("envelope", "form", "twice", Log().add(data=lambda data: data * 2))

BYTES: dict[str, Callable[[bytes], bytes]] = {
    "a line end behind it": lambda data: data + b"\n",
    "a NUL behind it": lambda data: data + b"\0",
    "a space": swapped(b'":"', b'": "'),
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "bytes that are no UTF-8": swapped(b'"keyid":"SHA', b'"keyid":"\xff\xff\xff'),
    "a key twice": swapped(b'{"payload"', b'{"payload":"","payload"'),
    "keys in another order": lambda data: json.dumps(
        dict(reversed(json.loads(data).items())), separators=(",", ":")
    ).encode(),
    "an escape that is not needed": swapped(b'"payload"', b'"\\u0070ayload"'),
}
for about, write in BYTES.items():
    bad("canonical", "form", f"an envelope with {about}", Log().add(data=write))

# ---- what is signed ----------------------------------------------------------------------------------------

NONCE = b'"nonce":"00000000000000000000000000000001",'
NUMBERED = {"outcome": {"zero": 0, "most": 2**53 - 1, "least": 1 - 2**53}}
good("canonical", "the greatest and the least integer", Log().add(**NUMBERED))
PAYLOADS: dict[str, Callable[[bytes], bytes]] = {
    "a float": swapped(b'"zero":0', b'"zero":0.5'),
    "a float that looks whole": swapped(b'"seq":1', b'"seq":1.0'),
    "a number with an exponent": swapped(b'"seq":1', b'"seq":1e0'),
    "NaN": swapped(b'"zero":0', b'"zero":NaN'),
    "Infinity": swapped(b'"zero":0', b'"zero":Infinity'),
    "minus zero": swapped(b'"zero":0', b'"zero":-0'),
    "a leading zero": swapped(b'"zero":0', b'"zero":00'),
    "2 to the 53rd": swapped(b'"zero":0', b'"zero":9007199254740992'),
    "minus 2 to the 53rd": swapped(b'"zero":0', b'"zero":-9007199254740992'),
    "a number of 400 digits": swapped(b'"zero":0', b'"zero":1' + b"0" * 399),
    "a field twice": swapped(b'"seq":1', b'"seq":2,"seq":1'),
    "the same field twice alike": swapped(b'"seq":1', b'"seq":1,"seq":1'),
    "fields in another order": lambda data: swapped(b'"kind"', NONCE + b'"kind"')(swapped(NONCE, b"")(data)),
    "a space": lambda data: data + b" ",
    "a line end before a field": swapped(b'"_type"', b'\n"_type"'),
    "a trailing comma": swapped(b'"zero":0', b'"zero":0,'),
    "no UTF-8": swapped(b'"zero"', b'"ze\xffo"'),
    "half a surrogate pair": swapped(b'"zero"', b'"\\ud800"'),
    "a control character as it is": swapped(b'"zero"', b'"ze\x01o"'),
    "a NUL as it is": swapped(b'"zero"', b'"ze\0o"'),
    "DEL as it is": swapped(b'"zero"', b'"ze\x7fo"'),
    "a control character in capitals": swapped(b'"zero"', b'"ze\\u001Fo"'),
    "a letter as an escape": swapped(b'"zero"', b'"\\u007aero"'),
    "a slash as an escape": swapped(b'"zero"', b'"ze\\/o"'),
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "nothing in it": lambda data: b"",
    "a comment": lambda data: b"/**/" + data,
}


for about, write in PAYLOADS.items():
    bad("canonical", "form", f"a payload with {about}", Log().add(**NUMBERED, payload=write))
good(
    "canonical",
    "every kind of letter",
    Log().add(outcome={'é "\\/': "\x00\x01\t\n\x1f\x7f\x80\u0085\u2028\ufffd\U0001f6a6", "": None}),
)
good(
    "canonical",
    "keys in the order of code points",
    Log().add(outcome={"z": 1, "é": 2, "\ufffd": 3, "\U0001f6a6": 4}),
)
bad(
    "canonical",
    "form",
    "keys in the order of UTF-16",
    Log().add(
        outcome={"\ufffd": 3, "\U0001f6a6": 4},
        payload=swapped('"\ufffd":3,"\U0001f6a6":4'.encode(), '"\U0001f6a6":4,"\ufffd":3'.encode()),
    ),
)
good("canonical", "64 levels", Log().add(outcome=nested(62)))
bad("canonical", "form", "65 levels", Log().add(outcome=nested(63)))
bad(
    "canonical",
    "form",
    "65 levels that end in a text",
    Log().add(outcome=json.loads("[" * 63 + '"x"' + "]" * 63)),
)
bad("canonical", "form", "3000 levels", Log().seal(b"[" * 3000 + b"]" * 3000, 1))

bad("key", "key", "a key that is not in the trust folder", Log(key="stranger").add())
bad("key", "key", "a key id with a path", Log().add(keyid="SHA256:../names"))
bad("key", "key", "a key id with a line end", Log().add(keyid="a\nok\nb"))
bad("key", "key", "an empty key id", Log().add(envelope=lambda e: e["signatures"][0].update(keyid="")))
bad(
    "signature",
    "signature",
    "of another entry",
    Log()
    .add()
    .add(envelope=lambda e: e.update(signatures=json.loads(bytes(Log().add().files[ONE]))["signatures"])),
)
bad(
    "signature",
    "signature",
    "of another key under this one's id",
    Log().add(key="stranger", keyid=KEYS["deployer"].id),
)
bad(
    "signature",
    "signature",
    "of the payload without the encoding before it",
    Log().add(envelope=lambda e: e["signatures"][0].update(sig="A" * 86 + "==")),
)
bad(
    "signature",
    "signature",
    "of another payload",
    Log().add(envelope=lambda e: e.update(payload=e["payload"][:-4] + "fSAg")),
)
