"""The acceptance checks of the contract, and which of them a change needs. Pure (contracts, B.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..config import Acceptance
    from .scope import Scope

LOAD: Final = "load-release-package"
API: Final = "runtime-api-system-acceptance"
BROWSER: Final = "runtime-browser-acceptance"
MIGRATION: Final = "runtime-migration-image-acceptance"
INFRA: Final = "infra-readonly-acceptance"
IDENTITY: Final = "identity-readonly-acceptance"
CHECKS: Final = (LOAD, API, BROWSER, MIGRATION, INFRA, IDENTITY)


def required_checks(scope: Scope, rules: Acceptance) -> tuple[str, ...]:
    """The acceptance checks that a change of this scope needs.

    A browser check is asked for where the project has one; infra and identity checks where the change touches
    them, also when the project has none: then the decision is NO.
    """
    wanted = {
        LOAD: True,
        API: scope.runtime,
        BROWSER: scope.runtime and bool(rules.browser),
        MIGRATION: scope.runtime,
        INFRA: scope.infra or scope.requires_infra_convergence,
        IDENTITY: scope.identity,
    }
    return tuple(name for name in CHECKS if wanted[name])
