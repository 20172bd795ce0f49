"""Rows as Heroku's API shows them: pure, with the fields of Heroku's schema, no more and no less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from .state import Addon, App, Authorization, Formation, Release, Slug

Shape = dict[str, Any]
EMAIL = "person@sandbox.invalid"
SIZE = "Basic"
STARTED = "2026-01-01T00:00:00Z"


def stable_id(name: str) -> str:
    """A UUID that is the same on every machine, for things that the sandbox has one of."""
    return str(uuid5(NAMESPACE_URL, f"roadworthy-sandbox:{name}"))


USER = {"email": EMAIL, "id": stable_id("account")}
STACK = {"id": stable_id("stack"), "name": "heroku-24"}
REGION = {"id": stable_id("region"), "name": "us"}
PLANS = {"sqlite": "sandbox-sqlite:file", "postgres": "heroku-postgresql:essential-0"}


def account() -> Shape:
    """An account, as the API shows it."""
    return {
        "allow_tracking": False,
        "beta": False,
        "country_of_residence": None,
        "created_at": STARTED,
        "default_organization": None,
        "default_team": None,
        "email": EMAIL,
        "federated": False,
        "id": USER["id"],
        "identity_provider": None,
        "last_login": None,
        "name": None,
        "sms_number": None,
        "suspended_at": None,
        "delinquent_at": None,
        "two_factor_authentication": False,
        "updated_at": STARTED,
        "verified": True,
    }


def authorization(row: Authorization) -> Shape:
    """An OAuth authorization, as the API shows it."""
    return {
        "access_token": {"expires_in": row.expires_in, "id": row.token_id, "token": row.token},
        "client": None,
        "created_at": row.created_at,
        "description": row.description,
        "grant": None,
        "id": row.id,
        "refresh_token": None,
        "scope": row.scope.split(),
        "session": None,
        "updated_at": row.updated_at,
        "user": {**USER, "full_name": None},
    }


def app(row: App, slug: Slug | None, released_at: str | None) -> Shape:
    """An app, as the API shows it; `slug` is that of its current release."""
    return {
        "acm": False,
        "archived_at": None,
        "build_stack": STACK,
        "buildpack_provided_description": slug.buildpack_description if slug else None,
        "created_at": row.created_at,
        "generation": {"id": stable_id("generation"), "name": "cedar"},
        "git_url": f"https://git.heroku.com/{row.name}.git",
        "id": row.id,
        "internal_routing": None,
        "maintenance": row.maintenance,
        "name": row.name,
        "organization": None,
        "owner": USER,
        "region": REGION,
        "released_at": released_at,
        "repo_size": 0,
        "slug_size": slug.size if slug else None,
        "space": None,
        "stack": STACK,
        "team": None,
        "updated_at": row.updated_at,
        "web_url": web_url(row),
    }


def web_url(row: App) -> str:
    """The address of an app, with a slash at its end."""
    return f"http://127.0.0.1:{row.port}/"


def release(row: Release, owner: App, addons: list[Addon]) -> Shape:
    """A release, as the API shows it."""
    return {
        "addon_plan_names": [PLANS[addon.engine] for addon in addons],
        "app": {"id": owner.id, "name": owner.name},
        "artifacts": [{"id": row.slug, "type": "slug"}] if row.slug else [],
        "created_at": row.created_at,
        "current": row.version == owner.current,
        "description": row.description,
        "eligible_for_rollback": row.status == "succeeded" and bool(row.slug or row.images),
        "id": row.id,
        "output_stream_url": None,
        "slug": {"id": row.slug} if row.slug else None,
        "status": row.status,
        "updated_at": row.updated_at,
        "user": USER,
        "version": row.version,
    }


def slug(row: Slug, method: str, url: str) -> Shape:
    """A slug, as the API shows it; `method` and `url` are those of its blob."""
    return {
        "blob": {"method": method, "url": url},
        "buildpack_provided_description": row.buildpack_description,
        "checksum": row.checksum,
        "commit": row.commit_id,
        "commit_description": row.commit_description,
        "created_at": row.created_at,
        "deleted_at": None,
        "id": row.id,
        "process_types": dict(row.process_types),
        "size": row.size,
        "stack": STACK,
        "updated_at": row.updated_at,
    }


def formation(row: Formation, owner: App, command: str, image: str | None = None) -> Shape:
    """`image` only for the docker-releases variant of the API, which shows what each process runs."""
    shape: Shape = {
        "app": {"id": owner.id, "name": owner.name},
        "command": command,
        "created_at": row.created_at,
        "dyno_size": {"id": stable_id("dyno-size"), "name": SIZE},
        "id": row.id,
        "quantity": row.quantity,
        "size": SIZE,
        "type": row.type,
        "updated_at": row.updated_at,
    }
    return shape if image is None else {**shape, "docker_image": {"id": image}}


def addon(row: Addon, owner: App, config_vars: Mapping[str, str]) -> Shape:
    """An add-on, as the API shows it; `config_vars` are those that it provides."""
    service = PLANS[row.engine].partition(":")[0]
    return {
        "actions": [],
        "addon_service": {"id": stable_id(service), "name": service},
        "app": {"id": owner.id, "name": owner.name},
        "billed_price": None,
        "billing_entity": {"id": owner.id, "name": owner.name, "type": "app"},
        "config_vars": list(config_vars),
        "created_at": row.created_at,
        "id": row.id,
        "name": row.name,
        "plan": {"id": stable_id(PLANS[row.engine]), "name": PLANS[row.engine]},
        "provider_id": row.id,
        "provision_message": "",
        "state": "provisioned",
        "updated_at": row.updated_at,
        "web_url": None,
    }
