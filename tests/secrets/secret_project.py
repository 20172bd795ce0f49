"""The tests' project, with a secret in every place where one can be, and an app that can be made to tell them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from road.project import Project, Ran

# The database of this app is a file beside the one that DATABASE_URL names: it boots without a driver.
TELLING: Final = """
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DATABASE = os.environ["APP_FILE"]


def mood():
    said = {}
    for path in (os.path.join(HERE, "mood.json"), DATABASE + ".mood"):
        try:
            with open(path) as file:
                said.update(json.load(file))
        except FileNotFoundError:
            pass
    told = {name: value for name, value in os.environ.items() if name.isupper()}
    logged = sys.argv[1:2] == ["current"] and not said.get("tell_bare")
    mark = "INFO  [alembic.runtime.migration] " if logged else ""
    for line in said.get("tell", []):
        print(*(mark + part for part in line.format(**told).split("\\n")), sep="\\n", flush=True)
    if "health" in said:
        said["health"] = said["health"].format(**told)
    if said.get("cannot_connect") and sys.argv[1:2] == ["upgrade"]:
        raise ConnectionError(f"cannot connect to {told['DATABASE_URL']!r}")
    return said
"""
TOLD: Final = ("{DATABASE_URL}", "{SECRET_KEY!r}", "{AWKWARD}", "{AWKWARD!r}", "{ENDPOINT}", "{ENCODED}")


class SecretProject(Project):
    """`secrets` are in the environment of every command; `ran` is every command and how it ended."""

    def __init__(self, root: Path, sandbox: Path, secrets: dict[str, str], config: dict[str, str]) -> None:
        super().__init__(root, sandbox)
        self.secrets = secrets
        self.ran: list[tuple[tuple[str, ...], Ran]] = []
        here = 'config = { ENV = "test", APP_FILE = "{folder}/app.db" }'
        undocumented = ('critical = ["app/migrations/**", ', "critical = [")
        self.change_config(('config = { ENV = "test" }', here), undocumented)
        self.commit("Tell", {"app/mood.py": TELLING})
        for app in (self.staging, self.prod):
            file = sandbox.parent / f"{app}.sqlite"
            self.api("PATCH", f"/apps/{app}/config-vars", {**config, "APP_FILE": str(file)})

    def database(self, place: str = "staging") -> Path:
        return self.sandbox.parent / f"{self.app(place)}.sqlite"

    def run(self, *words: str, code: int = 0, own_process: bool = False, **env: str) -> Ran:
        """Run a command with every secret in its environment; it must end with `code`."""
        run = self.process if own_process else self.invoke
        ran = run(*words, env={**self.secrets, **env})
        self.ran.append((words, ran))
        assert ran.code == code, (words, ran.text)
        return ran

    def both(self, *words: str, code: int = 0, **env: str) -> None:
        """Run a command as a person sees it, and with its JSON."""
        self.run(*words, code=code, **env)
        self.run(*words, "--json", code=code, **env)
