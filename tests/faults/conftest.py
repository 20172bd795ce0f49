"""The sandbox and the project that these tests share."""

from road.fixtures import platform, project

__all__ = ["platform", "project"]
