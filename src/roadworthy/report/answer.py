"""The JSON object of a command with `--json`: one shape for every command, usage errors included.

docs/json-output.schema.json is made from `Answer`. A key that is added later does not change `schema`; a key that
goes away, or means something else, does.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from ..model import Outcome

SCHEMA: Final = 1
_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a command ended."""

    schema: Annotated[Literal[1], Meta(description="the number of this shape")]
    command: Annotated[str, Meta(description="the command's name, such as evidence.audit; empty: unknown")]
    environment: Annotated[str | None, Meta(description="the environment it was for; null: none, or all")]
    target: Annotated[
        str | None, Meta(description="sandbox, or a target of release.toml; null: not known yet")
    ]
    outcome: Outcome
    code: Annotated[int, Meta(description="the exit code")]
    line: Annotated[str, Meta(description="the last line, as a person sees it")]
    reasons: Annotated[list[str], Meta(description="each refusal or problem, with what to do about it")]
    next: Annotated[list[str], Meta(description="the commands that lead on, in order")]
    evidence: Annotated[str, Meta(description="the path of the file that proves it; empty: none")]
    details: Annotated[dict[str, Any], Meta(description="what was found; the keys are the command's own")]
    seq: Annotated[int | None, Meta(description="the number of the journal entry that settled it")]
    verdicts: Annotated[list[dict[str, Any]], Meta(description="what each guard decided, and why")]
    plan: Annotated[dict[str, Any] | None, Meta(description="what was planned")]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of every answer."""
    _, parts = msgspec.json.schema_components([Answer], ref_template="#/$defs/{name}")
    own = parts.pop("Answer")
    own["properties"]["outcome"] = {**parts["Outcome"], "description": "how it ended"}
    return {"$schema": _DRAFT, **own}
