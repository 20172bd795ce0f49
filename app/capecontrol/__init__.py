"""CapeControl, a work-order board: the small real service that this repository releases.

The folder above this package is what becomes a slug, so nothing here reads anything outside it. Nothing
here changes the schema: only Alembic does, when a person asks for it.
"""
