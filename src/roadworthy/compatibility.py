"""Words of the first platform that stay where people, files and other programs read them.

The core says *artifact*, *process* and *release*. These are the names under which it writes and prints them, as
journals, packages, auditors and scripts have known them since before there was a second platform. No other module
spells them.
"""

from __future__ import annotations

from typing import Final

PROCESSES: Final = "dynos"
"""Key of an app's processes in what `sandbox.status --json` prints and the sandbox's server answers."""
