"""Heroku's published schema as a judge of what our server answers and of what our clients send.

Where the schema's file is absent, `available()` says so and tests that need it are skipped.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

FILE = Path(__file__).resolve().parents[3].parent / "shared/data/heroku/platform-api-schema.json"
ROOT = "urn:heroku"
ABSENT = f"Heroku's schema is not at {FILE}"


def available() -> bool:
    return FILE.is_file()


@dataclass(frozen=True, slots=True)
class Link:
    """One call that the schema describes."""

    method: str
    path: re.Pattern[str]
    pointer: str
    request: bool
    response: bool


def problems(method: str, path: str, *, response: Any = None, request: Any = None) -> list[str]:
    """What the schema has against a call's response (JSON) and request (JSON, None if it had none).

    Several calls may share method and path (release and rollback); being right for one of them is enough.
    """
    links = [link for link in _links() if link.method == method and link.path.fullmatch(path)]
    if not links:
        return [f"Heroku has no {method} {path}"]
    found: list[list[str]] = []
    for link in links:
        against = []
        if link.response and response is not None:
            against += _errors(f"{link.pointer}/targetSchema", response)
        if link.request and request is not None:
            against += _errors(f"{link.pointer}/schema", request)
        found.append(against)
    return min(found, key=len)


def _errors(pointer: str, value: Any) -> list[str]:
    errors = _validator(pointer).iter_errors(value)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors]


@functools.cache
def _validator(pointer: str) -> Draft4Validator:
    return Draft4Validator({"$ref": f"{ROOT}#{pointer}"}, registry=_registry())


@functools.cache
def _registry() -> Registry[Any]:
    return Registry().with_resource(ROOT, DRAFT4.create_resource(_schema()))


@functools.cache
def _schema() -> Any:
    schema = json.loads(FILE.read_text())
    schema.pop("id")
    definitions = schema["definitions"]
    # Known faults of the published file, and the two places where a local platform must differ.
    definitions["dyno_size"] = {"definitions": {"id": {"type": ["string"]}, "name": {"type": ["string"]}}}
    del definitions["app"]["definitions"]["web_url"]["pattern"]
    _enforce_strict_properties(schema)
    # The docker-releases variant adds what the formation runs; it is not in the schema.
    formation = definitions["formation"]
    formation["properties"]["docker_image"] = {}
    formation["definitions"]["update"]["properties"]["docker_image"] = {}
    return schema


def _enforce_strict_properties(node: Any) -> None:
    """Heroku's `strictProperties` in words that JSON Schema knows: all are required, no others allowed."""
    if isinstance(node, dict):
        if node.get("strictProperties") is True and "properties" in node:
            node["required"] = sorted(node["properties"])
            node["additionalProperties"] = False
        for value in node.values():
            _enforce_strict_properties(value)
    elif isinstance(node, list):
        for value in node:
            _enforce_strict_properties(value)


@functools.cache
def _links() -> tuple[Link, ...]:
    return tuple(_every_link())


def _every_link() -> Iterator[Link]:
    for name, definition in _schema()["definitions"].items():
        for number, link in enumerate(definition.get("links", [])):
            path = "[^/]+".join(re.escape(part) for part in re.split(r"\{[^}]*\}", link["href"]))
            yield Link(
                method=link["method"],
                path=re.compile(path),
                pointer=f"/definitions/{name}/links/{number}",
                request="schema" in link,
                response="targetSchema" in link,
            )
