"""The one way this package speaks HTTP as a client.

Invariants of a session made here:

- Every request has a connect and a read timeout; none can be sent without.
- Certificates are verified. `REQUESTS_CA_BUNDLE` is read once, here, as the session's `verify`, so that it
  cannot override one that a caller names per request.
- `.netrc` is never read: it would replace the Authorization header that the caller set.
- Nothing on this machine (loopback) is asked through a proxy, whatever the environment says.
- A redirect to another host, port or scheme goes without credentials: only harmless headers go along, and a
  request with a body does not go at all.
- Bodies are read with a limit. Error texts name neither headers nor addresses.
- Informational answers (102, 103) are passed over: the final one counts (RFC 9110, 15.2).
- A server that gives our credential back is read as if it had not: nobody can quote what is not there.
"""

from __future__ import annotations

import binascii
import ipaddress
import os
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from . import __version__
from .errors import CheckFailed
from .mask import HIDDEN, SHORTEST

MOST_REDIRECTS: Final = 5
MOST_INFORMATIONAL: Final = 20  # answers before the final one
MOST_BODY: Final = 16 << 20  # bytes of a body that is not asked for as a stream
MOST_LINE: Final = 1 << 20  # bytes of a line
CA_BUNDLE: Final = "REQUESTS_CA_BUNDLE"
_CHUNK: Final = 65536
# What may follow a redirect to another host: a list of the harmless, since any other header may be a secret.
_HARMLESS: Final = frozenset(
    {"accept", "accept-encoding", "user-agent", "cache-control", "proxy-authorization"}
)


class TooLong(requests.exceptions.ChunkedEncodingError):
    """The answer is longer than anybody needs. Like one that was cut short: what it answers is not known."""


class Misconfigured(requests.RequestException):
    """A variable of the environment names what cannot be used. Another attempt would see the same."""


class _Final(HTTPResponse):
    """The final answer. http.client itself passes over 100 alone, and would take a 103 for the whole answer."""

    def begin(self) -> None:
        for _ in range(MOST_INFORMATIONAL):
            super().begin()
            if not 102 <= self.status <= 199:  # 101 is final: what follows it is no HTTP
                return
            self.headers = self.msg = None  # type: ignore[assignment]
        raise HTTPException("informational answers without end")


class _Plain(HTTPConnection):
    response_class = _Final


class _Secure(HTTPSConnection):
    response_class = _Final


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    def __init__(self, timeout: float) -> None:
        super().__init__(pool_maxsize=16)
        self._timeout = timeout

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _final_only(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> PoolManager:
        made: PoolManager = super().proxy_manager_for(*args, **kwargs)
        return _final_only(made)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (self._timeout, self._timeout)
        try:
            return super().send(request, *args, **kwargs)
        except OSError as error:  # requests' own errors are of this kind, too
            _blame(error, str(request.url), kwargs.get("verify"))
            raise


def _final_only(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
    return manager


class _Session(requests.Session):
    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if not is_loopback(str(url)):
            settings["proxies"] = {**get_environ_proxies(str(url)), **settings["proxies"]}
        return settings

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        old, new = str(response.request.url), str(prepared_request.url)
        if self.should_strip_auth(old, new):  # type: ignore[no-untyped-call]
            if prepared_request.body:
                raise requests.TooManyRedirects("a redirect to another host would take the body along")
            for name in [name for name in prepared_request.headers if name.lower() not in _HARMLESS]:
                del prepared_request.headers[name]


def session(timeout: float, headers: Mapping[str, str] | None = None) -> requests.Session:
    """A session whose requests wait `timeout` seconds for a connection, and for each part of an answer."""
    made = _Session()
    made.trust_env = False
    made.verify = os.environ.get(CA_BUNDLE) or True
    made.max_redirects = MOST_REDIRECTS
    made.headers["User-Agent"] = f"roadworthy/{__version__}"
    made.headers.update(headers or {})
    made.hooks["response"].append(_forget)
    for scheme in ("https://", "http://"):
        made.mount(scheme, _Adapter(timeout))
    return made


def read_limited(response: requests.Response, limit: int) -> bytes:
    """The body of a response that was asked for with `stream=True`, decoded; at most `limit` bytes.

    Raises CheckFailed when there is more, and requests' own errors when the body is cut short.
    """
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(_CHUNK):
        size += len(part)
        if size > limit:
            response.close()
            raise CheckFailed(f"the answer is longer than {limit} bytes")
        parts.append(part)
    return without_credential(response, b"".join(parts))


def read_lines(response: requests.Response, *, chunk: int | None) -> Iterator[bytes]:
    """The lines of a body, without their ends, as they come. Raises TooLong for one above MOST_LINE bytes."""
    rest = b""
    for part in response.iter_content(chunk):
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > MOST_LINE:
            response.close()
            raise TooLong(f"a line of the answer is longer than {MOST_LINE} bytes")
        for line in lines:
            yield line.removesuffix(b"\r")
    if rest:
        yield rest


def without_credential(response: requests.Response, data: bytes) -> bytes:
    """`data` of a response without what its request said in Authorization.

    As everywhere, a text shorter than SHORTEST is no secret: to hide one letter would spoil every answer.
    """
    kind, _, said = str(response.request.headers.get("Authorization", "")).partition(" ")
    secrets = [said.encode()]
    if kind == "Basic":
        secrets.append(binascii.a2b_base64(said).partition(b":")[2])
    for secret in secrets:
        if len(secret) >= SHORTEST:
            data = data.replace(secret, HIDDEN.encode())
    return data


def _forget(response: requests.Response, **settings: Any) -> None:
    if not settings.get("stream") or response.is_redirect:  # else the caller reads it, with a limit
        try:
            response._content = read_limited(response, MOST_BODY)
        except CheckFailed as error:
            raise TooLong(str(error)) from error
    response.reason = without_credential(response, str(response.reason).encode()).decode()


def reason(error: BaseException) -> str:
    """A network error in a few words, without the address, headers or credentials its own text may hold.

    A proxy or a file of certificates that it came about with is named by its variable.
    """
    return ": ".join([*getattr(error, "__notes__", ()), _words(error)])


def _words(error: BaseException) -> str:
    wire = requests.exceptions
    if isinstance(error, wire.SSLError):
        return "no TLS: the server's certificate or protocol is not accepted"
    if isinstance(error, wire.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, wire.Timeout):
        return "no answer in time"
    if isinstance(error, TooLong | Misconfigured):
        return str(error)
    if isinstance(error, wire.ChunkedEncodingError):
        return "the answer was cut short"
    if isinstance(error, wire.ConnectionError):
        return _socket_words(error)
    return f"the request failed: {type(error).__name__}"


def _blame(error: OSError, url: str, verify: object) -> None:
    """Name the variable of the proxy or the certificates with which the error came about, in a note of it.

    Raises Misconfigured where what the variable says cannot be used at all.
    """
    wire = requests.exceptions
    if isinstance(error, wire.ProxyError | wire.InvalidProxyURL | wire.InvalidSchema):
        scheme = urlsplit(url).scheme
        names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
        name = next((name for name in names if os.environ.get(name)), "")
        if name and not isinstance(error, wire.ProxyError):
            raise Misconfigured(f"the proxy of {name} is no http:// or https:// address") from error
        if name:
            error.add_note(f"the proxy of {name}")
    elif verify == os.environ.get(CA_BUNDLE):
        if not isinstance(error, wire.RequestException):
            raise Misconfigured(f"{CA_BUNDLE} names no file of certificates that can be read") from error
        if isinstance(error, wire.SSLError):
            error.add_note(f"by the certificates of {CA_BUNDLE}")


def _socket_words(error: BaseException) -> str:
    """What the operating system said; requests and urllib3 wrap it in up to four layers of their own."""
    current: BaseException | None = error
    for _ in range(10):
        if isinstance(current, OSError) and current.errno and current.strerror:
            return f"no connection: {current.strerror}"
        if isinstance(current, TimeoutError) or type(current).__name__ == "ReadTimeoutError":
            return "no answer in time"
        inside = (getattr(current, "reason", None), *getattr(current, "args", ()))
        wrapped = next((item for item in inside if isinstance(item, BaseException)), None)
        current = wrapped or getattr(current, "__cause__", None)
    return "the connection was closed without an answer"


def is_loopback(url: str) -> bool:
    """True when the host of `url` is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def without_credentials(url: str) -> str:
    """`url` as it may be shown: no user, password, query or fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not an address)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
