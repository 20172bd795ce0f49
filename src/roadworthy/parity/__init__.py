"""Parity: what a candidate answers, compared with a golden dataset and with an earlier run.

Everything but `ask` and `suites` is pure: it reads values and returns values. Nothing here knows an environment.
"""
