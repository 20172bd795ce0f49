"""The rules of this repository: what must hold before anything changes an environment.

A rule is one file with one pure function `(plan, facts) -> str | None`, both named as the predicate that must
hold. It returns nothing when the rule holds, one line with what is wrong and what to do next when it refuses,
or raises `NotApplicable(why)`. The first line of its docstring is the rule; it goes into the evidence.

To add a rule: write `guards/<predicate>.py`, import it here, name it in the actions it guards (all are
asked, in this order), and give it a test for each of its answers. It may read only what `Facts` holds; what
can fail (a network, a file) belongs in `src/roadworthy/facts/`. A refusal exits with 3 unless `EXIT_CODES`
says else. `invoke guards.explain --env prod` shows every rule and its answer now.
"""

from .acceptance_cannot_change_production import acceptance_cannot_change_production
from .adopted_package_is_proven import adopted_package_is_proven
from .certifies_no_production import certifies_no_production
from .ci_is_green import ci_is_green
from .components_are_whole import components_are_whole
from .database_is_as_recorded import database_is_as_recorded
from .deploy_guard import deploy_guard
from .migration_is_approved import migration_is_approved
from .migrations_are_safe import migrations_are_safe
from .migrations_can_be_rolled_back import migrations_can_be_rolled_back
from .no_open_blockers import no_open_blockers
from .one_head import one_head
from .package_is_built_here import package_is_built_here
from .package_is_not_older import package_is_not_older
from .package_is_pinned import package_is_pinned
from .package_is_released import package_is_released
from .package_is_running import package_is_running
from .platform_has_drifted import platform_has_drifted
from .platform_is_as_recorded import platform_is_as_recorded
from .production_is_unlocked import production_is_unlocked
from .release_phase_is_disabled import release_phase_is_disabled
from .rollback_is_possible import rollback_is_possible
from .rollback_target_is_available import rollback_target_is_available
from .rollback_target_was_verified import rollback_target_was_verified
from .staging_is_certified import staging_is_certified
from .startup_runs_no_migrations import startup_runs_no_migrations
from .tree_is_clean import tree_is_clean

GUARDS = {
    "accept": (acceptance_cannot_change_production, release_phase_is_disabled),
    "deploy": (
        production_is_unlocked,
        deploy_guard,
        platform_is_as_recorded,
        tree_is_clean,
        package_is_pinned,
        components_are_whole,
        release_phase_is_disabled,
        package_is_built_here,
        ci_is_green,
        package_is_released,
        package_is_not_older,
        staging_is_certified,
        database_is_as_recorded,
        one_head,
        migrations_are_safe,
        migrations_can_be_rolled_back,
        migration_is_approved,
        rollback_is_possible,
        no_open_blockers,
    ),
    "migrate": (
        production_is_unlocked,
        deploy_guard,
        platform_is_as_recorded,
        package_is_running,
        one_head,
        migrations_are_safe,
        migration_is_approved,
    ),
    "rollback": (
        production_is_unlocked,
        deploy_guard,
        rollback_target_was_verified,
        rollback_target_is_available,
        package_is_pinned,
        components_are_whole,
        migrations_can_be_rolled_back,
    ),
    "config": (
        production_is_unlocked,
        deploy_guard,
        platform_is_as_recorded,
        package_is_running,
        startup_runs_no_migrations,
    ),
    "certify": (
        certifies_no_production,
        platform_is_as_recorded,
        package_is_running,
        one_head,
        migrations_are_safe,
    ),
    "adopt": (
        production_is_unlocked,
        deploy_guard,
        platform_has_drifted,
        adopted_package_is_proven,
    ),
    "complete": (
        production_is_unlocked,
        deploy_guard,
        package_is_running,
    ),
}

EXIT_CODES = {"production_is_unlocked": 2, "deploy_guard": 42}
