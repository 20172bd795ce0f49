"""Cases of the texts in a trust folder: public keys and trust.toml."""

from __future__ import annotations

from typing import Any

from .testkit import Fill, Special
from .writing import KEYS, OTHER, Log, bad, good, trust

# ---- public keys -------------------------------------------------------------------------------------------

TRUST: dict[str, Any] = {"file": "trust"}
LINE = f"ssh-ed25519 {KEYS['stranger'].letters}".encode()
GOOD_KEYS = {
    "with a comment": LINE + b" stranger\n",
    "without a comment": LINE + b"\n",
    "without an end of the line": LINE + b" a b",
    "with a comment in UTF-8 and in none": LINE + b"  \xc3\xa9 \xff\x85\n",
    "with an empty comment": LINE + b" \n",
}
BAD_KEYS = {
    "two spaces": LINE.replace(b" ", b"  ") + b"\n",
    "a space before it": b" " + LINE + b"\n",
    "a tab": LINE.replace(b" ", b"\t") + b"\n",
    "a tab in the comment": LINE + b" a\tb\n",
    "CR LF": LINE + b"\r\n",
    "CR LF after a comment": LINE + b" a\r\n",
    "a lone CR": LINE + b" a\rb\n",
    "a NUL": LINE + b" a\0b\n",
    "a NUL in the key": LINE.replace(b" ", b" \0") + b"\n",
    "an escape sequence": LINE + b" \x1b[2J\n",
    "two lines": LINE + b"\nx",
    "an empty line before it": b"\n" + LINE + b"\n",
    "an empty line after it": LINE + b"\n\n",
    "a byte order mark": b"\xef\xbb\xbf" + LINE + b"\n",
    "options": b"no-pty " + LINE + b"\n",
    "padding": LINE + b"=\n",
    "more after the key": LINE + b"AAAA\n",
    "nothing": b"",
    "a line end alone": b"\n",
    "another kind": b"ssh-rsa" + LINE[11:] + b"\n",
    "another kind in the letters": LINE.replace(b"AAAAC3NzaC1lZDI1NTE5", b"AAAAC3NzaC1lZDI1NTE4") + b"\n",
    "capitals": LINE.replace(b"ssh", b"SSH") + b"\n",
}
for about, data in GOOD_KEYS.items():
    good("public-key", about, Log(key="stranger").add(), files=trust(x=data))
for about, data in BAD_KEYS.items():
    bad("public-key", "policy", about, Log().add(), files=trust(x=data), **TRUST)
bad(
    "public-key",
    "policy",
    "the same key twice",
    Log().add(),
    files=trust(other=KEYS["deployer"].line),
    **TRUST,
)
for name, about in {
    "x" * 101: "101 letters",
    "-x": "a dash first",
    "a b": "a space",
    "x.pub": "two endings",
}.items():
    bad("public-key", "policy", f"a name with {about}", Log().add(), files=trust(**{name: LINE}), **TRUST)
good("public-key", "a file that begins with a dot", Log().add(), files=trust() | {"trust/.x.pub": b"?"})
good("public-key", "a file that does not end in .pub", Log().add(), files=trust() | {"trust/stranger": b"?"})
SPECIAL = {
    "a link to nothing": Special("link", "nowhere"),
    "a pipe": Special("pipe"),
    "a folder": Special("folder"),
}
for name in ("trust.toml", "x.pub"):
    rule = "trust-toml" if name == "trust.toml" else "public-key"
    for about, special in SPECIAL.items():
        bad(
            rule,
            "policy",
            f"{about} in its place",
            Log().add(),
            files=trust() | {f"trust/{name}": special},
            **TRUST,
        )
    for about, to in {"a link to a pipe": "pipe", "a link to a device": "/dev/zero"}.items():
        linked = {f"trust/{name}": Special("link", to), "trust/pipe": Special("pipe")}
        bad(rule, "policy", f"{about} in its place", Log().add(), files=trust() | linked, **TRUST)
    big = Fill(b"# x\n", 2**20 + 1) if name == "trust.toml" else Fill(LINE + b" " + b"x" * 100, 2**14 + 1)
    bad(rule, "policy", "too big", Log().add(), files=trust() | {f"trust/{name}": big}, **TRUST)
good(
    "public-key",
    "a link to a key",
    Log(key="stranger").add(),
    files=trust() | {"trust/x.pub": Special("link", "../kept"), "kept": LINE},
)

# ---- the text of trust.toml --------------------------------------------------------------------------------

RULE = b'key = "deployer"\ntarget = "sandbox"\nenvironments = ["*"]\nstages = ["*"]\nactions = ["*"]\n'


def rule_text(*more: bytes, head: bytes = b"[[rule]]\n") -> bytes:
    return b"version = 2\n" + head + RULE + b"".join(more)


GOOD_TEXTS = {
    "the least": b"version = 1",
    "the greatest version": b"version = 999999999\n",
    "a rule": rule_text(),
    "tabs, spaces and comments": b"# \xc3\xa9 \xff\n\t version\t=  12 # x\n [[rule]] # y\n"
    + RULE.replace(b'["*"]', b'[ "a" ,\t"*" ] # "z"'),
    "no end of the last line": rule_text(b"needs = []"),
    "signs in a text": rule_text().replace(
        b'stages = ["*"]', b'stages = ["#", "]", "[", "=", ",", " !$%&\'()*+-./:;<>?@^_`{|}~", "*"]'
    ),
    "a key by its id": rule_text().replace(b'"deployer"', f'"{KEYS["deployer"].id}"'.encode()),
    "29 February of a leap year": rule_text(
        b'from = "2024-02-29T00:00:00Z"\nuntil = "2028-02-29T00:00:00Z"\n'
    ),
    "bounds that are empty": rule_text(b'from = ""\nuntil = ""\n'),
}
BAD_TEXTS = {
    "nothing": b"",
    "no version": b"# none\n",
    "a byte order mark": b"\xef\xbb\xbf" + rule_text(),
    "CR LF": rule_text().replace(b"\n", b"\r\n"),
    "a lone CR": rule_text(b"# a\rb\n"),
    "a NUL": rule_text(b"# \0\n"),
    "DEL": rule_text(b"# \x7f\n"),
    "a vertical tab between": rule_text(b"\x0bneeds = []\n"),
    "a no-break space between": rule_text(b"\xc2\xa0needs = []\n"),
    "a tab in a text": rule_text(b'needs = ["a\tb"]\n'),
    "a letter outside of ASCII": rule_text(b'needs = ["\xc3\xa9"]\n'),
    "no UTF-8 in a text": rule_text(b'needs = ["\xff"]\n'),
    "an escape": rule_text(b'needs = ["\\u0061"]\n'),
    "a literal text": rule_text(b"needs = ['a']\n"),
    "a text of several lines": rule_text(b'from = """2026-01-01T00:00:00Z"""\n'),
    "a date": rule_text(b"from = 2026-01-01T00:00:00Z\n"),
    "a quoted key": rule_text(b'"needs" = []\n'),
    "a dotted key": rule_text(b"a.b = []\n"),
    "a key with a dash": rule_text(b"a-b = []\n"),
    "a list over lines": rule_text(b'needs = [\n"a"\n]\n'),
    "a comma at the end": rule_text(b'needs = ["a",]\n'),
    "no comma": rule_text(b'needs = ["a" "b"]\n'),
    "a list in a list": rule_text(b'needs = [["a"]]\n'),
    "a number in a list": rule_text(b"needs = [1]\n"),
    "deep lists": rule_text(b"needs = " + b"[" * 5000 + b"]" * 5000 + b"\n"),
    "two values": rule_text(b"needs = [] []\n"),
    "no value": rule_text(b"needs =\n"),
    "true": rule_text(b"needs = true\n"),
    "a key twice": rule_text(b'key = "deployer"\n'),
    "an unknown key": rule_text(b'extra = "x"\n'),
    "spaces in a header": rule_text(head=b"[[ rule ]]\n"),
    "a header that is not closed": b"version = 2\n[[rule\n",
    "a plain table": rule_text(head=b"[rule]\n"),
    "a quoted header": rule_text(head=b'[["rule"]]\n'),
    "a header with a key behind it": rule_text(head=b"[[rule]] a = []\n"),
    "an inline table": b"version = 2\nrule = [{key = 'deployer'}]\n",
    "an empty list of tables": b"version = 2\nrule = []\n",
    "a table of another name": rule_text(b"[[rules]]\n"),
    "version as a text": rule_text().replace(b"2", b'"2"', 1),
    **{
        f"version {number}": rule_text().replace(b"2", number.encode(), 1)
        for number in ("+2", "02", "0x2", "1_0", "2.0", "2e0", "0", "-2")
    },
    "version of ten digits": rule_text().replace(b"2", b"1" * 10, 1),
    "version twice": b"version = 2\n" + rule_text(),
    "version in a table": b"[[rule]]\nversion = 2\n" + RULE,
    "version after a table": rule_text(b"version = 3\n"),
    "a beginning that is no time": rule_text(b'from = "soon"\n'),
    "an end that is no time": rule_text(b'until = "soon"\n'),
    "needs that are a text": rule_text(b'needs = "test"\n'),
    "a time with a space": rule_text(b'from = "2026-01-01 00:00:00"\n'),
    "a time with fractions": rule_text(b'until = "2026-01-01T00:00:00.000000Z"\n'),
    **{
        f"{name} {moment}": rule_text(f'{name} = "{moment}"\n'.encode())
        for name in ("from", "until")
        for moment in (
            "2026-02-30T00:00:00Z",
            "2027-02-29T00:00:00Z",
            "2027-04-31T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:00:60Z",
            "2027-1-1T00:00:00Z",
            "2027-01-01",
        )
    },
    "a key in a list": rule_text().replace(b'"deployer"', b'["deployer"]'),
    "a rule of an unknown key": rule_text().replace(b"deployer", b"nobody"),
    "a rule without a key": rule_text().replace(b'key = "deployer"\n', b""),
    "a rule without actions": rule_text().replace(b'actions = ["*"]\n', b""),
    "a text instead of a list": rule_text().replace(b'actions = ["*"]', b'actions = "*"'),
    "good that is a text": rule_text(b'good = "*"\n'),
    "good that names no digest": rule_text(b'good = ["sandbox/prod 1"]\n'),
    "good with number 0": rule_text(f'good = ["sandbox/prod 0 {OTHER}"]\n'.encode()),
    "good with two heads of one log": rule_text(
        f'good = ["sandbox/prod 1 {OTHER}", "sandbox/prod 2 {OTHER}"]\n'.encode()
    ),
    "a revocation without good": b'version = 2\n[[revoked]]\nkey = "deployer"\n',
    "a revocation without a key": b"version = 2\n[[revoked]]\ngood = []\n",
    "a revocation with more": b'version = 2\n[[revoked]]\nkey = "deployer"\ngood = []\nuntil = ""\n',
    "a revocation of an unknown key": b'version = 2\n[[revoked]]\nkey = "nobody"\ngood = []\n',
    "two heads of one log for one key": b"version = 2\n"
    + f'[[revoked]]\nkey = "deployer"\ngood = ["sandbox/prod 1 {OTHER}"]\n'.encode() * 2,
}
for about, text in GOOD_TEXTS.items():
    good("trust-toml", about, Log().add(), files=trust(policy=text))
for about, text in BAD_TEXTS.items():
    bad("trust-toml", "policy", about, Log().add(), files=trust(policy=text), **TRUST)
