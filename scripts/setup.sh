#!/bin/sh
# Make .venv with every dependency pinned by hash. Needs Python 3.11 or newer; pip comes with it, or is fetched.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: $python is missing or older than 3.11: install Python, or say make setup PYTHON=python3.12" >&2
    exit 2
fi
if [ -L .venv ]; then
    echo "setup: .venv is a link, and what it points to may be somebody else's: remove the link and try again" >&2
    exit 2
fi
rm -f .venv/.ready
if ! "$python" -m venv --clear .venv >/dev/null 2>&1; then
    # Debian and Ubuntu keep ensurepip in a package of its own, python3-venv.
    echo "setup: $python cannot make a virtual environment with pip: install python3-venv and try again" >&2
    exit 2
fi
echo "setup: installing the dependencies of requirements.lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation -e .
touch .venv/.ready
