"""The sandbox and the projects that these tests share."""

from road.fixtures import pair, platform, project, untouched

__all__ = ["pair", "platform", "project", "untouched"]
