"""What differs between the providers: how a client is made for each, and what their errors mean.

Where the bucket is comes from `release.toml` alone, whatever the environment says; who we are comes from the
environment or the provider's own chain (docs/stores.md), and is never seen by this code. An error's text is
made here, of words that are known: what comes from the wire may carry signatures and keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from ..config import Journal

_NO_BUCKET: Final = ("NoSuchBucket", "ContainerNotFound", "AccountNotFound")
_ASK_AGAIN: Final = (408, 409, 412, 425, 429)

_T = TypeVar("_T")


def client(journal: Journal, prefix: str, timeout: float) -> ObjectStore:
    """The provider's client for the bucket of `[journal]`; `timeout` is seconds of one request.

    Retries nothing itself. What could move the journal is always said, so that no variable of the environment
    can say it. Raises Trouble where the environment's credentials make no sense; sends nothing yet.
    """
    from obstore.store import AzureStore, GCSStore, S3Store

    scheme, bucket, _ = parts(journal.store)
    endpoint = journal.endpoint.rstrip("/")
    usual: Any = {
        "prefix": prefix or None,
        "client_options": {
            "allow_http": endpoint.startswith("http://"),
            "allow_invalid_certificates": False,
            "connect_timeout": "5s",
            "timeout": f"{round(timeout * 1000)}ms",
        },
        "retry_config": {"max_retries": 0},
    }
    if scheme == "s3":
        region = journal.region or "us-east-1"
        endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
        return ask(
            lambda: S3Store(
                bucket,
                region=region,
                endpoint=endpoint,
                aws_endpoint_url_s3=endpoint,
                virtual_hosted_style_request=False,
                conditional_put="etag",
                checksum_algorithm="SHA256",  # buckets with object lock demand one
                **usual,
            )
        )
    if scheme == "gs":
        endpoint = endpoint or "https://storage.googleapis.com"
        return ask(lambda: GCSStore(bucket, base_url=endpoint, **usual))
    address = urlsplit(endpoint)
    account = address.path.rpartition("/")[2] or (address.hostname or "").partition(".")[0]
    return ask(
        lambda: AzureStore(
            bucket,
            account_name=account,
            endpoint=endpoint,
            use_emulator=False,
            use_fabric_endpoint=False,
            **usual,
        )
    )


def parts(store: str) -> tuple[str, str, str]:
    """Scheme, bucket and prefix of `s3://bucket/some/prefix`."""
    scheme, _, rest = store.partition("://")
    bucket, _, prefix = rest.partition("/")
    return scheme, bucket, prefix


class Trouble(Exception):
    """What a request ended with, in words of ours. `final`: asking again will not help, nothing was written."""

    def __init__(self, words: str, final: bool) -> None:
        super().__init__(words)
        self.final = final


def ask(call: Callable[[], _T]) -> _T:
    """`call()`, with the library's own errors turned into Trouble that has none of their text behind it."""
    try:
        return call()
    except Exception as error:
        ours = type(error).__module__.startswith("obstore") or isinstance(error, FileNotFoundError)
        if not ours:
            raise
        trouble = _trouble_of(error)
    raise trouble  # out here, so that the library's error is not even its context


def no_bucket(error: FileNotFoundError) -> bool:
    """Is it the bucket that is missing, and not an object in it?"""
    return any(code in str(error) for code in _NO_BUCKET)


def _trouble_of(error: Exception) -> Trouble:
    text = str(error)
    kind = type(error).__name__
    found = re.search(r"status code: ([0-9]{3})", text)
    status = int(found[1]) if found else 0
    named = re.search(r"<Code>([A-Za-z]{1,60})</Code>", text)
    code = " ".join(said for said in (found[1] if found else "", named[1] if named else "") if said)
    words, final = "it gave no usable answer", False
    if kind == "AlreadyExistsError":
        words = "the name is taken"
    elif kind in ("PermissionDeniedError", "UnauthenticatedError"):
        words, final = "the credentials of the environment do not allow it", True
    elif kind == "FileNotFoundError" or (named and named[1] in _NO_BUCKET):
        words, final = "there is no such bucket", True
    elif "169.254.169.254" in text and not status:
        words, final = "the environment has no credentials for it", True
    elif 300 <= status < 500 and status not in _ASK_AGAIN:
        words, final = "it refused; are bucket, region and endpoint right?", True
    elif "kind: Timeout" in text:
        words = "it did not answer in time"
    elif "kind: Connect" in text:
        words = "it cannot be reached"
    elif kind in ("NotSupportedError", "InvalidPathError", "UnknownConfigurationKeyError"):
        words, final = "it cannot do that", True
    return Trouble(f"{words} ({code})" if code else words, final)
