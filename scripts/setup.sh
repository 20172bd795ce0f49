#!/bin/sh
# Make .venv with every dependency pinned by hash. Needs Python 3.11 or newer with its venv module and pip.
#
# .venv/.ready is written last and holds the folder's path: where it is missing or names another folder, the
# next make begins anew.
set -u
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-python3}

stop() {
    printf 'setup: %s\n' "$1" >&2
    exit 2
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 ||
    stop "$python is missing or older than 3.11: install Python, or say make setup PYTHON=python3.12"
[ ! -L .venv ] ||
    stop '.venv is a link, and what it points to may be somebody else'"'"'s: remove the link and try again'
if ! rm -f .venv/.ready 2>/dev/null || [ ! -w . ]; then
    stop "this folder may not be written: $(pwd)"
fi
said=$("$python" -m venv --clear .venv 2>&1) ||
    # Debian and Ubuntu keep ensurepip in a package of its own, python3-venv.
    stop "$python cannot make .venv ($(printf '%s' "$said" | tail -n 1)): on Debian or Ubuntu install python3-venv"
echo 'setup: installing the dependencies of requirements.lock'
pip() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "$@" ||
        stop 'the dependencies were not installed, pip says why above: correct that and try again'
}
pip --require-hashes -r requirements.lock
pip --no-deps --no-build-isolation -e .
# Where Python may not keep what it compiled (PYTHONDONTWRITEBYTECODE, as in many containers) each command would
# compile this package anew: a third of its start. pip did the same for what it installed.
.venv/bin/python -m compileall -q src || stop 'src was not compiled, Python says why above'
if ! (cd .venv && pwd -P) >.venv/.ready.new || ! mv .venv/.ready.new .venv/.ready; then
    stop 'the disk is full, or .venv was removed meanwhile: try again'
fi
