"""The sandbox and the projects that these tests share."""

from road.fixtures import platform, project, untouched

__all__ = ["platform", "project", "untouched"]
