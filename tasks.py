"""The commands of this repository: `invoke --list` shows them. Its rules are in guards/."""

from pathlib import Path

from roadworthy.tasks import mount

namespace = mount(Path(__file__).resolve().parent)
