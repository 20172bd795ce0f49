"""Readers of what is so: each asks one source, and changes nothing."""
