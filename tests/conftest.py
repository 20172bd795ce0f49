"""What every test starts from, wherever it is started."""

import signal

# A shell starts what it puts into the background with SIGINT ignored, and children inherit that. The commands
# under test are to be interrupted as in a person's terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
# nohup does the same with SIGHUP, with which the sandbox ends a process whose listener left.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
