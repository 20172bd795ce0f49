"""Config: take the road with `actions/config.py`, with values from the process environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..actions.config import wanted
from ..execution import run as release
from ..model import Request, Result

if TYPE_CHECKING:
    from ..context import Context


def change_config(
    context: Context, request: Request, names: list[str], gone: list[str], only_plan: bool
) -> Result:
    """Give the config vars `names` the values that the process environment has for them, and take others away."""
    values = wanted(names, gone, context.process_environ)
    options = [word for name in names for word in ("--set", name)]
    options += [word for name in gone for word in ("--unset", name)]
    context.asked = replace(request, config=values, said=(*request.said, *options))
    return release.run(context, context.asked, only_plan=only_plan)
