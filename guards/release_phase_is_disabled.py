from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def release_phase_is_disabled(plan: Plan, facts: Facts) -> str | None:
    """The Procfile has no release phase but the one command that release.toml declares, as acceptance ran it."""
    if not facts.start_commands.value:
        raise NotApplicable("the package is an image: its Dockerfile has no release phase")
    # What a command does cannot be read in its words, so nothing but the declared one passes.
    for one in facts.start_commands.value:
        for kind, command in one.commands.items():
            if kind.lower() == "release" and command != one.release_phase:
                return (
                    f"the Procfile's release phase is not declared ({command[:80]!r}): remove it, or set "
                    "release_phase in release.toml to exactly this; schemas change only by invoke migrate"
                )
    return None
