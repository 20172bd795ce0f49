import re

from roadworthy.model import Facts, Plan, ReleasePackage

SLUG_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def package_is_pinned(plan: Plan, facts: Facts) -> str | None:
    """A release names one package by digest and full commit, never by a tag or a branch."""
    package = plan.package
    if package is None:
        return "the plan names no package: invoke build, then run the command again"
    if not re.fullmatch(r"[0-9a-f]{64}", package.digest):
        return f"{package.digest!r} is not a sha256 digest: build the package again with invoke build"
    if not re.fullmatch(r"[0-9a-f]{40}", package.commit):
        return f"{package.commit!r} is not a full commit: give all 40 characters (git rev-parse HEAD)"
    for step in plan.steps:
        if not isinstance(step, ReleasePackage):
            continue
        part = step.package
        if part not in package.each:
            names = f"{part.digest[:12]}, the plan names {package.digest[:12]}"
            return f"a step would release {names}: run the command again"
        if part.kind == "image" and not part.ref.endswith(f"@sha256:{part.digest}"):
            return (
                f"{part.ref or 'no reference'!r} does not name the image by its digest: run the command again"
            )
        if not step.artifact:
            continue  # the road uploads this very package
        if not SLUG_ID.fullmatch(step.artifact):
            return f"{step.artifact!r} is not a slug id of the platform: run the command again"
        deployed = facts.history.value.of(part.component).deployed
        if {d.package.digest for d in deployed if d.artifact == step.artifact} - {part.digest}:
            return f"slug {step.artifact} is another package in the journal: look with invoke history"
    return None
