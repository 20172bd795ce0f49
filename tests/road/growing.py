"""A project whose components come and go, and the question whether all who tell of it say the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from road.project import REPOSITORY, Project
from roadworthy.sandbox import control


def add(project: Project, name: str = "worker", **mood: object) -> str:
    """The commit that adds a component, with an empty app and checks of its own in every environment."""
    control.up(project.sandbox, apps=tuple(f"{app}-{name}" for app in (project.staging, project.prod)))
    config = project.root / "release.toml"
    text = config.read_text() + (
        f'\n[[components]]\ncomponent = "{name}"\npath = "{name}"\ntest = "python -S -c pass"\n'
        f'\n[[checks]]\nname = "{name} is well"\ncomponent = "{name}"\npath = "/api/health"\n'
        'json = { status = "healthy" }\n'
        f'\n[[checks]]\nname = "{name} version"\ncomponent = "{name}"\npath = "/api/version"\n'
        'json = { gitSha = "{commit}" }\n'
    )
    for app in (project.staging, project.prod):
        text = text.replace(f'app = "{app}"\n', f'app = "{app}"\napps = {{ {name} = "{app}-{name}" }}\n', 1)
    config.write_text(text)
    shutil.copytree(project.root / "app", project.root / name)
    project.others = (*project.others, name)
    return project.commit(f"Add a {name}", of=name, **mood)


def give_up(project: Project, name: str) -> str:
    """The commit that declares a component no more; its apps are left as they are."""
    config = project.root / "release.toml"
    head, *parts = config.read_text().split("\n\n[[")
    text = "\n\n[[".join([head, *(part for part in parts if f'component = "{name}"' not in part)])
    for app in (project.staging, project.prod):
        text = text.replace(f', {name} = "{app}-{name}"', "")
        text = text.replace(f'apps = {{ {name} = "{app}-{name}" }}\n', "")
    config.write_text(text)
    return project.commit(f"Give up the {name}")


def agreed(project: Project, place: str = "staging") -> dict[str, Any]:
    """The row of status: as recorded, as verify sees it too."""
    row = next(r for r in project.json("status")["details"]["environments"] if r["environment"] == place)
    assert row["state"] == "as recorded", row
    assert project.json("verify", "--env", place)["details"]["differences"] == []
    assert isinstance(row, dict)
    return row


def audited(project: Project, place: str = "staging") -> None:
    """Both auditors believe the journal."""
    assert project.json("evidence.audit")["code"] == 0
    folder = project.root / ".release/journal/sandbox" / place
    words = (REPOSITORY / "scripts/audit.sh", folder, "--trust", project.root / ".release/keys")
    done = subprocess.run(words, cwd=project.root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done


def releases(project: Project, places: Sequence[str]) -> list[int]:
    """The number of the newest release of each place."""
    return [project.releases(place)[-1]["version"] for place in places]
