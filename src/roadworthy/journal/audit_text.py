"""The three small texts beside a journal (docs/journal-format.md): a public key, trust.toml, an anchor.

Each has one narrow form of plain bytes, so that no two readers can read it differently. Shares no code with the
writer. All raise ValueError, with why, for anything else.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

_CONTROL = re.compile(rb"[\0-\x08\x0b-\x1f\x7f]").search  # all but a tab and a line's end
_KEY = re.compile(rb"ssh-ed25519 ([A-Za-z0-9+/]{68})( [^\n]*)?\n?").fullmatch
_OPENSSH_ED25519 = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"

_GAP, _REST, _WORD = rb"[ \t]*", rb"[ \t]*(?:#.*)?", rb'"[ !#-\[\]-~]*"'
_LIST = rb"\[" + _GAP + rb"(?:" + _WORD + rb"(?:" + _GAP + rb"," + _GAP + _WORD + rb")*" + _GAP + rb")?\]"
_LEFT_OUT = re.compile(_REST).fullmatch
_NUMBER = re.compile(_GAP + rb"version" + _GAP + rb"=" + _GAP + rb"([1-9][0-9]{0,8})" + _REST).fullmatch
_HEADER = re.compile(_GAP + rb"\[\[(rule|revoked)\]\]" + _REST).fullmatch
_PAIR = re.compile(
    _GAP + rb"([a-z]+)" + _GAP + rb"=" + _GAP + rb"(" + _WORD + rb"|" + _LIST + rb")" + _REST
).fullmatch

_NAME, _HEX = rb'"[a-z0-9][a-z0-9._-]{0,99}"', rb'"[0-9a-f]{64}"'
_OF_POLICY = rb'"(?:sha256" *: *' + _HEX + rb'|version" *: *[1-9][0-9]{0,8})'
_POLICY = rb'policy" *: *\{ *' + _OF_POLICY + rb" *, *" + _OF_POLICY + rb" *\}"
_PLACE = rb'(?:environment|target)" *: *' + _NAME
_MEMBER = rb'"(?:' + _PLACE + rb'|seq" *: *[1-9][0-9]{0,7}|sha256" *: *' + _HEX + rb"|" + _POLICY + rb")"
_ANCHOR = re.compile(rb" *\{ *" + _MEMBER + rb"(?: *, *" + _MEMBER + rb"){3,4} *\}[ \n]*").fullmatch


def key(data: bytes) -> bytes:
    """The 51 bytes of the one OpenSSH Ed25519 public key that a file holds."""
    found = _KEY(data)
    blob = base64.b64decode(found[1]) if found else b""
    if not blob.startswith(_OPENSSH_ED25519) or b"\t" in data or _CONTROL(data):
        raise ValueError("it is not one OpenSSH Ed25519 public key")
    return blob


def policy(data: bytes) -> dict[str, Any]:
    """`version`, `rule` and `revoked` of a trust.toml; the tables are lists, empty where there are none."""
    if _CONTROL(data):
        raise ValueError("it has control characters")
    said: dict[str, Any] = {"rule": [], "revoked": []}
    table: dict[str, Any] | None = None
    for number, line in enumerate(data.split(b"\n"), 1):
        if _LEFT_OUT(line):
            continue
        if header := _HEADER(line):
            table = {}
            said[header[1].decode()].append(table)
        elif (version := _NUMBER(line)) and table is None and "version" not in said:
            said["version"] = int(version[1])
        elif (pair := _PAIR(line)) and table is not None and pair[1].decode() not in table:
            table[pair[1].decode()] = json.loads(pair[2])
        else:
            raise ValueError(f"line {number} is no part of the format, or is repeated")
    if "version" not in said:
        raise ValueError("it has no version")
    return said


def anchor(data: bytes) -> dict[str, Any]:
    """The one line of JSON that an anchor is: `environment`, `target`, `seq`, `sha256`, and `policy` or none."""
    said: dict[str, Any] = json.loads(data) if _ANCHOR(data) else {}
    needed = {"environment", "target", "seq", "sha256"}
    whole = said.keys() - {"policy"} == needed and said.get("policy", {}).keys() in (
        set(),
        {"sha256", "version"},
    )
    # No name or digest has a colon, so each colon is a member: a repeated one would be one too many.
    if not whole or data.count(b":") != len(said) + len(said.get("policy", {})):
        raise ValueError("it is no anchor")
    return said
