"""Slugs: announce, upload, look up. The blob's URL carries its own secret, as on S3, and needs no API key."""

from __future__ import annotations

import asyncio
import re
import secrets

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ....errors import UsageError
from .. import shapes
from ..slugs import receive, sha256
from ..state import Slug, new_id, now
from .wire import ApiError, base_url, endpoint, find_app, invalid, not_found, platform, read, reply

CHECKSUM = re.compile(r"SHA256:[0-9a-f]{64}", re.IGNORECASE)
TYPE = re.compile(r"[-\w]{1,128}", re.ASCII)


class Create(msgspec.Struct):
    """The body of `POST /apps/{app}/slugs`."""

    process_types: dict[str, str]
    checksum: str | None = None
    commit: str | None = None
    commit_description: str | None = None
    buildpack_provided_description: str | None = None


@endpoint
async def create(request: Request) -> Response:
    """`POST /apps/{app}/slugs`: announce a slug; the answer has the URL to upload its bytes to."""
    app, body = find_app(request), await read(request, Create)
    if body.checksum is not None and not CHECKSUM.fullmatch(body.checksum):
        raise invalid("Checksum must be SHA256: and 64 hexadecimal digits.")
    if not all(TYPE.fullmatch(name) for name in body.process_types):
        raise invalid("Process types are 1 to 128 letters, digits, dashes and underscores.")
    slug = Slug(
        id=new_id(),
        app=app.id,
        created_at=now(),
        updated_at=now(),
        commit_id=body.commit,
        commit_description=body.commit_description,
        buildpack_description=body.buildpack_provided_description,
        checksum=body.checksum,
        process_types=body.process_types,
        size=None,
        secret=secrets.token_urlsafe(24),
    )
    platform(request).state.add(slug)
    return reply(shapes.slug(slug, "put", _blob_url(request, slug)), 201)


@endpoint
async def info(request: Request) -> Response:
    """`GET /apps/{app}/slugs/{slug}`."""
    find_app(request)
    slug = platform(request).state.one(Slug, id=request.path_params["slug"])
    if slug is None:
        raise not_found("slug")
    return reply(shapes.slug(slug, "get", _blob_url(request, slug)))


@endpoint
async def upload(request: Request) -> Response:
    """Take the blob in. Sending the same bytes again is harmless (a lost reply); other bytes are refused."""
    slug, here, busy = _by_secret(request), platform(request), request.app.state.uploading
    if slug.id in busy:
        raise ApiError(409, "conflict", "This slug's blob is being uploaded by another request.")
    busy.add(slug.id)
    try:
        expected = slug.checksum
        if expected is None and slug.size is not None:
            expected = f"SHA256:{await asyncio.to_thread(sha256, here.blob(slug))}"
        blob = await receive(request.stream(), here.blob(slug), expected)
    except UsageError as error:
        raise ApiError(400, "bad_request", str(error)) from error
    finally:
        busy.discard(slug.id)
    here.state.change(slug, size=blob.size)
    return Response(status_code=200, headers={"ETag": f'"{blob.sha256}"'})


@endpoint
async def download(request: Request) -> Response:
    """The bytes of a slug, at the secret URL that its description names."""
    slug = _by_secret(request)
    if slug.size is None:
        raise not_found("blob")
    return FileResponse(platform(request).blob(slug), media_type="application/octet-stream")


def _blob_url(request: Request, slug: Slug) -> str:
    return f"{base_url(request)}/blobs/{slug.id}?signature={slug.secret}"


def _by_secret(request: Request) -> Slug:
    slug = platform(request).state.one(Slug, id=request.path_params["slug"])
    given = request.query_params.get("signature", "")
    if slug is None or not secrets.compare_digest(given.encode(), slug.secret.encode()):
        raise ApiError(403, "forbidden", "The signature of this URL is wrong.")
    return slug


ROUTES = [
    Route("/apps/{app}/slugs", create, methods=["POST"]),
    Route("/apps/{app}/slugs/{slug}", info, methods=["GET"]),
]
BLOB_ROUTES = [
    Route("/blobs/{slug}", upload, methods=["PUT"]),
    Route("/blobs/{slug}", download, methods=["GET"]),
]
