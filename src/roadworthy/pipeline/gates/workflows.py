"""What a workflow does with a failure, a stranger's words and a secret: read from its parsed YAML, never grepped.

A failure must end the job; what changes something runs only when all before it succeeded; what somebody typed, and
what is secret, reach a command through the environment alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from .shell import Token, commands, tokens

_ALWAYS: Final = re.compile(r"\b(always|failure|cancelled)\s*\(", re.IGNORECASE)
_EXPRESSION: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_STRANGER: Final = re.compile(
    r"\b(inputs|env)\b|\bgithub\s*(\.|\[\s*')\s*(event|head_ref|base_ref|ref_name|ref)\b|\boutputs\b",
    re.IGNORECASE,
)
_SECRET: Final = re.compile(r"\bsecrets\b|\bgithub\s*(\.|\[\s*')\s*token\b", re.IGNORECASE)
_SAYS: Final = ("true", ":", "echo", "printf", "continue", "break", "logger")
# What changes something elsewhere, as a word of a command or a part of one: `container:release`, `deploy-prod`.
_CHANGES: Final = re.compile(
    r"(?:^|[:/._-])(?:deploy|ship|release|promote|migrate|rollback|push|publish|apply|upgrade|adopt|complete|replay)"
    r"(?:$|[:/._-])|:set$"
)
_TOOLS: Final = ("az", "terraform", "kubectl", "helm", "alembic")  # they change more than they say
_SAFE: Final = re.compile(
    r"actions/(checkout|cache|upload-artifact|download-artifact|setup-[a-z]+)|aws-actions/configure-aws-credentials"
)
_SHELLS: Final = ("bash", "sh")


class Step(NamedTuple):
    """A step with what it inherits: `where` it is, its `shell` as GitHub would start it, its own keys."""

    where: str
    shell: str
    keys: Mapping[str, Any]

    @property
    def script(self) -> str:
        """The shell script of the step; "" when it runs none."""
        return str(self.keys.get("run") or "")


def problems(name: str, text: str, local: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a workflow or a composite action, each with its place; nothing when all is well.

    `local` has the texts of the repository's own actions, by what `uses` says (`./.github/actions/setup`).
    """
    actions = local or {}
    try:
        data = _load(text)
    except ValueError as error:
        return [f"{name}: {error}"]
    found = []
    for job, keys in _jobs(data):
        found += [f"{name}, {job}: {said}" for said in _forgives(keys)]
        steps = list(_steps(data, job, keys))
        if _ALWAYS.search(str(keys.get("if", ""))) and any(_changes(step, actions) for step in steps):
            found.append(f"{name}, {job}: changes something, and runs after a failure (if: {keys['if']})")
        for step in steps:
            found += [f"{name}, {step.where}: {said}" for said in _step(step, actions)]
    return found


def _step(step: Step, actions: Mapping[str, str]) -> Iterator[str]:
    yield from _forgives(step.keys)
    if _ALWAYS.search(str(step.keys.get("if", ""))) and _changes(step, actions):
        yield f"changes something, and runs after a failure (if: {step.keys['if']})"
    script = step.script or str(_mapping(step.keys.get("with")).get("script") or "")
    for expression in _EXPRESSION.findall(script):
        if _SECRET.search(expression):
            yield f"a secret stands in a command ({expression.strip()}): give it through env"
        elif _STRANGER.search(expression):
            yield f"what somebody typed becomes code ({expression.strip()}): give it through env"
    if step.script and step.shell.split()[0] in _SHELLS:
        try:
            found = tokens(step.script)
        except ValueError as error:
            yield f"its commands cannot be read: {error}"
            return
        yield from _failures(step, found)


def _failures(step: Step, found: list[Token]) -> Iterator[str]:
    """What becomes of a command that fails."""
    sets = [words for words in commands(found) if words[0] == "set"]
    if any(re.match(r"\+\w*e", word) for words in sets for word in words[1:]) or not (
        re.search(r"\s-\w*e", step.shell)
        or any(re.match(r"-\w*e", word) for words in sets for word in words[1:])
    ):
        yield "a command that fails does not end it (no -e)"
    pipes = [at for at, token in enumerate(found) if token.operator and token.text in ("|", "|&")]
    strict = "pipefail" in step.shell or any(
        "pipefail" in words and any(word.startswith("-") for word in words) for words in sets
    )
    if pipes and not strict:
        yield "a failure before a pipe is not seen (no pipefail)"
    for at, token in enumerate(found):
        if token.operator and token.text == "||" and _swallows(found[at + 1 :]):
            yield "a failure is swallowed: what stands behind || succeeds"


def _swallows(behind: list[Token]) -> bool:
    """True when what stands behind `||` ends well, whatever stood before it."""
    behind = (
        [token for token in behind if token.text != "\n"] if behind[:1] == [Token("\n", True)] else behind
    )
    if behind and behind[0].text in ("{", "("):
        end = "}" if behind[0].text == "{" else ")"
        inside = behind[1 : next((at for at, one in enumerate(behind) if one.text == end), len(behind))]
        last = list(commands(inside))[-1:]
        return not last or _ends_well(last[0])
    first = next(commands(behind), [])
    return not first or _ends_well(first)


def _ends_well(words: list[str]) -> bool:
    if words[0] in ("exit", "return"):
        return words[1:2] == ["0"] or not words[1:]
    return words[0] in _SAYS


def _forgives(keys: Mapping[str, Any]) -> Iterator[str]:
    said = keys.get("continue-on-error", False)
    if said is not False and str(said).lower() != "false":
        yield f"goes on after a failure (continue-on-error: {str(said).lower()})"


def _changes(step: Step, actions: Mapping[str, str]) -> bool:
    """Does it change something elsewhere, as far as its words say? An action that is not known may."""
    uses = re.sub(r"^[$.]/", "./", str(step.keys.get("uses") or "").partition("@")[0])
    if uses in actions:
        rest = {
            name: text for name, text in actions.items() if name != uses
        }  # an action that uses itself may
        try:
            data = _load(actions[uses])
        except ValueError:
            return True
        return any(_changes(one, rest) for job, keys in _jobs(data) for one in _steps(data, job, keys))
    if uses and not _SAFE.fullmatch(uses):
        return True
    try:
        found = list(commands(tokens(step.script)))
    except ValueError:
        return bool(step.script)
    return any(
        any(word.rpartition("/")[2] in _TOOLS or _CHANGES.search(word) for word in words) for words in found
    )


def _jobs(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "runs" in data:
        yield "action", _mapping(data["runs"])
    for name, job in _mapping(data.get("jobs")).items():
        yield f"job {name}", _mapping(job)


def _steps(data: Mapping[str, Any], job: str, keys: Mapping[str, Any]) -> Iterator[Step]:
    inherited = _shell(keys) or _shell(data) or ""
    found = keys.get("steps") or ([{"uses": keys["uses"]}] if "uses" in keys else [])
    for number, step in enumerate(found if isinstance(found, list) else [], 1):
        said = _mapping(step)
        shell = str(said.get("shell") or inherited)
        # What GitHub starts: without a name there is no pipefail.
        started = {"": "bash -e {0}", "bash": "bash -eo pipefail {0}", "sh": "sh -e {0}"}.get(shell, shell)
        yield Step(f"{job}, step {number}", started, said)


def _shell(keys: Mapping[str, Any]) -> str:
    return str(_mapping(_mapping(keys.get("defaults")).get("run")).get("shell") or "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _load(text: str) -> Mapping[str, Any]:
    import yaml

    class Strict(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
        """Refuses a key that stands twice: the last one would hide the first."""

    def mapping(loader: Any, node: Any) -> dict[Any, Any]:
        keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
        if len(set(map(str, keys))) < len(keys):
            raise ValueError(f"a key stands twice near line {node.start_mark.line + 1}")
        made: dict[Any, Any] = yaml.SafeLoader.construct_mapping(loader, node, deep=True)
        return made

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    try:
        data = yaml.load(text, Strict)
    except yaml.YAMLError as error:
        raise ValueError(f"it is no YAML: {str(error).splitlines()[0][:100]}") from error
    except RecursionError as error:
        raise ValueError("it is no YAML that can be read: too deep") from error
    if not isinstance(data, dict) or not ("jobs" in data or "runs" in data):
        raise ValueError("it is no workflow: it has no jobs")
    return data
