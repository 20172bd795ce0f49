"""A package's processes on this machine, in a process group and a folder of their own."""
