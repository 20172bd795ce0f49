"""What every test starts from, wherever it is started, also beside another worker of the same run."""

import gc
import os
import shutil
import signal
import tempfile

# A shell starts what it puts into the background with SIGINT ignored, and children inherit that. The commands
# under test are to be interrupted as in a person's terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup does the same with SIGHUP, with which the sandbox ends a process whose listener left.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What commands remember of journals is no business of the person who runs the tests, nor of another worker.
STATE = tempfile.mkdtemp(prefix="roadworthy-state-")
os.environ["XDG_STATE_HOME"] = STATE


def pytest_unconfigure() -> None:
    shutil.rmtree(STATE, ignore_errors=True)


# Thousands of tests stay in memory to the end: neither collecting nor running them should look through them again.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
