"""The policy gate's reader of workflows: what it finds in parsed YAML, and what it leaves alone."""

from __future__ import annotations

import textwrap

import pytest

from roadworthy.pipeline.gates.shell import commands, tokens
from roadworthy.pipeline.gates.workflows import problems

FORGIVES = "goes on after a failure"
SWALLOWED = "a failure is swallowed"
PIPE = "no pipefail"
AFTER = "runs after a failure"
CODE = "becomes code"
SECRET = "a secret stands in a command"
NO_E = "no -e"


def step(run: str, **keys: str) -> str:
    more = "".join(f"        {name.replace('_', '-')}: {value}\n" for name, value in keys.items())
    body = textwrap.indent(run, "          ")
    return f"on: push\njobs:\n  one:\n    runs-on: x\n    steps:\n      - run: |\n{body}\n{more}"


def uses(action: str, condition: str) -> str:
    return f"on: push\njobs:\n  one:\n    runs-on: x\n    steps:\n      - uses: {action}\n        if: {condition}\n"


FINDS = {
    "or true": (step("make deploy || true"), SWALLOWED),
    "or colon": (step("make deploy||:"), SWALLOWED),
    "or echo": (step('make migrate || echo "not needed"'), SWALLOWED),
    "or exit 0": (step("make test || exit 0"), SWALLOWED),
    "or a group that says something": (step("make test || {\n  echo no\n}"), SWALLOWED),
    "or a subshell": (step("make test || (echo no)"), SWALLOWED),
    "or on the next line": (step("make test ||\n  true"), SWALLOWED),
    "or over a continued line": (step("make test \\\n  || true"), SWALLOWED),
    "in a folded scalar": (step("make test ||\ntrue").replace("run: |", "run: >"), SWALLOWED),
    "set +e": (step("set +e\nmake test"), NO_E),
    "a shell without -e": (step("make test", shell="bash {0}"), NO_E),
    "a pipe": (step("make test | tee log"), PIPE),
    "a pipe of both": (step("make test |& tee log"), PIPE),
    "a pipe in sh": (step("make test | tee log", shell="sh"), PIPE),
    "pipefail only in a comment": (step("# set -o pipefail\nmake test | tee log"), PIPE),
    "pipefail turned off": (step("set +o pipefail\nmake test | tee log"), PIPE),
    "continue-on-error": (step("make test", continue_on_error="true"), FORGIVES),
    "continue-on-error, computed": (step("make test", continue_on_error="${{ inputs.soft }}"), FORGIVES),
    "continue-on-error of a job": (
        "on: push\njobs:\n  one:\n    runs-on: x\n    continue-on-error: true\n    steps: []\n", FORGIVES),
    "always, then migrate": (step("heroku run migrate", **{"if": "always()"}), AFTER),
    "always, then set a variable": (step("heroku config:set A=b", **{"if": "always()"}), AFTER),
    "always, then deploy": (step("make deploy-prod", **{"if": "${{ always() }}"}), AFTER),
    "not cancelled": (step("invoke release --env prod", **{"if": "${{ !cancelled() }}"}), AFTER),
    "not failure": (step("docker push x", **{"if": "'${{ !failure() && !cancelled() }}'"}), AFTER),
    "a job that deploys anyway": (
        "on: push\njobs:\n  one:\n    runs-on: x\n    if: '!failure()'\n    steps:\n      - run: az up\n", AFTER),
    "an action that nobody knows": (uses("some/deployer@v1", "always()"), AFTER),
    "an input": (step("echo ${{ inputs.name }}"), CODE),
    "an input with brackets": (step("echo ${{ github['event'].inputs.name }}"), CODE),
    "a title": (step('echo "${{ github.event.pull_request.title }}"'), CODE),
    "a branch": (step("git checkout ${{ github.head_ref }}"), CODE),
    "an output": (step("echo ${{ steps.x.outputs.y }}"), CODE),
    "a script of an action": (
        "on: push\njobs:\n  one:\n    runs-on: x\n    steps:\n      - uses: actions/github-script@v7\n"
        "        with:\n          script: say('${{ inputs.name }}')\n", CODE),
    "a secret": (step('az secret set --secrets "url=${{ secrets.URL }}"'), SECRET),
    "a secret with brackets": (step("x ${{ secrets['URL'] }}"), SECRET),
    "a token": (step("curl -H ${{ github.token }} x"), SECRET),
    "a secret of many": (step("echo '${{ toJSON(secrets) }}'"), SECRET),
    "no end of a quote": (step('echo "no'), "cannot be read"),
    "no end of a here-document": (step("cat <<END\nx"), "cannot be read"),
    "a key twice": (step("make test || true") + "        run: make test\n", "stands twice"),
    "no YAML": ("jobs: [", "no YAML"),
    "no workflow": ("x: 1", "no workflow"),
    "an alias": ("on: push\njobs:\n  one: &a\n    runs-on: x\n    steps:\n      - run: make test || true\n"
                 "  two: *a\n", "job two, step 1: a failure is swallowed"),
    "a composite action": ("runs:\n  using: composite\n  steps:\n    - run: x || true\n      shell: bash\n",
                           "action, step 1: a failure is swallowed"),
}  # fmt: skip


@pytest.mark.parametrize("name", FINDS)
def test_a_bypass_is_found_with_its_place(name: str):
    text, said = FINDS[name]
    found = problems("w.yml", text)
    assert [one for one in found if said in one], found
    assert all(one.startswith("w.yml") for one in found)


LEAVES = {
    "plain": step("make test\nmake deploy"),
    "or a way out that fails": step("make test || exit 1"),
    "or a group that fails": step('make test || {\n  echo "no"\n  exit 1\n}'),
    "or another command": step("make test || make test-again"),
    "or false": step("make test || false"),
    "or in a comment": step("make test # || true"),
    "or in quotes": step('echo "a || true" \'b || true\''),
    "or in a here-document": step("cat <<'END'\nx || true | it's\nEND\nmake test"),
    "or in an expression": step("X=${{ 1 || true }} make test"),
    "a pipe with pipefail": step("set -euo pipefail\nmake test | tee log"),
    "a pipe in bash": step("make test | tee log", shell="bash"),
    "a pipe in quotes": step("grep 'a|b' file"),
    "a default shell": step("make test | tee log").replace(
        "    runs-on", "    defaults: {run: {shell: bash}}\n    runs-on"),
    "another language": step("print(1 | 2)", shell="python"),
    "always, then an upload": uses("actions/upload-artifact@v4", "always()"),
    "always, then a question": step("invoke decide --env prod", **{"if": "always()"}),
    "always, with set -e": step("set -euo pipefail\ninvoke decide", **{"if": "always()"}),
    "success": step("make deploy", **{"if": "${{ success() }}"}),
    "continue-on-error, off": step("make test", continue_on_error="false"),
    "a commit": step("echo ${{ github.sha }} ${{ github.run_id }}"),
    "a secret in env": step("x", env="{T: '${{ secrets.T }}'}"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVES)
def test_what_is_no_bypass_is_left_alone(name: str):
    assert problems("w.yml", LEAVES[name]) == []


def test_an_action_of_the_repository_is_looked_into():
    deploys = "runs:\n  using: composite\n  steps:\n    - run: make deploy\n      shell: bash\n"
    asks = deploys.replace("deploy", "status")
    text = uses("./.github/actions/x", "always()")
    assert problems("w.yml", text, {"./.github/actions/x": asks}) == []
    assert AFTER in "".join(problems("w.yml", text, {"./.github/actions/x": deploys}))
    itself = "runs:\n  steps:\n    - uses: ./.github/actions/x\n"
    assert AFTER in "".join(problems("w.yml", text, {"./.github/actions/x": itself}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b;c", [["a", "b"], ["c"]]),
        ("a 'b c' \"d $e\" f\\ g", [["a", "b c", "d $e", "f g"]]),
        ("a # b\nc", [["a"], ["c"]]),
        ("a#b", [["a#b"]]),
        ("'a'#b", [["a#b"]]),
        ("cat <<A <<-'B'\n1\nA\n2\n\tB\nc", [["cat"], ["c"]]),
        ("a 2>&1 &>/dev/null", [["a", "2>", "1", "&>/dev/null"]]),
        ("", []),
    ],
)
def test_a_shell_text_is_cut_into_its_commands(text: str, expected: list[list[str]]):
    found = list(commands(tokens(text)))
    assert [word for words in found for word in words] == [word for words in expected for word in words]
