"""How this app behaves: what its package says, and over it what lies beside its database."""

# Importing pathlib would double the time that this app takes to boot.
# ruff: noqa: PTH100, PTH118, PTH120, PTH123, PTH207, RUF100

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
DATABASE = os.environ["DATABASE_URL"].partition("sqlite:///")[2]


def mood():
    said = {}
    for path in (os.path.join(HERE, "mood.json"), DATABASE + ".mood"):
        try:
            with open(path) as file:
                said.update(json.load(file))
        except FileNotFoundError:
            pass
    return said
