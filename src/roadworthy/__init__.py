"""roadworthy takes one commit to a proven production release."""

__version__ = "0.1.0"
