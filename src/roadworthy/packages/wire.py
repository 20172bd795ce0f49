"""One repository of a registry over HTTP: python-dxf, held to this package's rules for clients.

- https; plain http only on this machine. Time-outs, proxies, certificates and redirects are `roadworthy.http`'s.
- What is uploaded goes to the registry itself: an upload address on another host is refused.
- Manifests are bytes, in and out, of at most MOST_MANIFEST; nothing is ever parsed and written again.
- Only errors of this package come out, in which no credential and no address of an upload can be.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec
import requests
from dxf import DXF, DXFBase
from dxf.exceptions import DXFError, DXFMountFailed, DXFUnauthorizedError

from .. import http, references
from ..errors import CheckFailed, RoadworthyError, Unreachable, UsageError
from ..retry import classify, reads
from .credentials import WHERE, login

T = TypeVar("T")
TIMEOUT: Final = 30.0  # seconds for a connection, and for each part of an answer
PATIENCE: Final = 90.0  # seconds after which nothing is tried again
MOST_MANIFEST: Final = 4 << 20  # bytes; what registries accept
CHUNK: Final = 1 << 22  # bytes; with fewer a large layer takes a fifth longer
KINDS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_API_HOSTS: Final = {references.HUB: "registry-1.docker.io"}


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


class _Dxf(DXF):
    """python-dxf on a session of ours."""

    def __init__(self, at: references.Repository, environ: Mapping[str, str]) -> None:
        session = http.session(TIMEOUT, {"Accept-Encoding": "identity"})
        session.hooks["response"].append(_let_go)
        insecure = http.is_loopback(f"http://{at.registry}")
        super().__init__(
            _API_HOSTS.get(at.registry, at.registry),
            at.name,
            auth=self._sign_in,
            insecure=insecure,
            tlsverify=session.verify,  # type: ignore[arg-type]  # a bool or a path, as it wants
            timeout=TIMEOUT,
        )
        self._sessions = [session]  # dxf's own would read .netrc and take a proxy for loopback
        self._registry, self._name, self._environ = at.registry, at.name, environ
        self.wrong: UsageError | None = None  # with our login, which a registry for everybody does not need

    def _sign_in(self, _: DXFBase, refused: requests.Response) -> None:
        try:
            known = login(self._registry, self._environ, self._name)
        except UsageError as error:
            self.wrong, known = error, None
        if self._insecure:
            # dxf refuses any login over http; to this machine it is allowed, by Basic alone.
            if known:
                request = requests.Request("GET", self._base_url, auth=(known.user, known.password)).prepare()
                self._headers = {"Authorization": request.headers["Authorization"]}
            return
        user, password = (known.user, known.password) if known else (None, None)
        self.authenticate(user, password, response=refused)

    def _base_request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        to, ours = urlsplit(urljoin(self._base_url, path)), urlsplit(self._base_url)
        usual = 80 if self._insecure else 443
        if (to.scheme, to.hostname, to.port or usual) != (ours.scheme, ours.hostname, ours.port or usual):
            raise CheckFailed(f"{self._registry} wants an upload to another host: that is not done")
        answer: requests.Response = super()._base_request(method, path, **kwargs)  # type: ignore[no-untyped-call]
        return answer

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        """One request on the repository; raises for what is no success."""
        answer: requests.Response = self._request(method, path, **kwargs)  # type: ignore[no-untyped-call]
        return answer

    def close(self) -> None:
        for session in self._sessions:
            session.close()


class _Content:
    """A blob's bytes with their length, so that they go as one body: not every registry takes chunks."""

    def __init__(self, parts: Iterable[bytes], size: int) -> None:
        self._parts, self._size = parts, size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def __len__(self) -> int:
        return self._size


@contextmanager
def opened(at: references.Repository, environ: Mapping[str, str]) -> Iterator[Wire]:
    """The repository, and its connections closed afterwards."""
    dxf = _Dxf(at, environ)
    try:
        yield Wire(at, dxf)
    finally:
        dxf.close()


class Wire:
    """What is asked of one repository. Everything may raise Unreachable, CheckFailed or UsageError."""

    def __init__(self, at: references.Repository, dxf: _Dxf) -> None:
        self.at = at
        self._dxf = dxf

    def manifest(self, name: str) -> tuple[str, bytes] | None:
        """(media type, bytes) of the manifest of a tag or digest; None when there is none."""

        def get() -> tuple[str, bytes]:
            accept = {"Accept": ", ".join(KINDS)}
            with self._dxf.ask("get", f"manifests/{name}", headers=accept, stream=True) as answer:
                kind = str(answer.headers.get("Content-Type", "")).partition(";")[0].strip()
                return kind, http.read_limited(answer, MOST_MANIFEST)

        return self._asked(get, f"manifest {name}", missing=None)

    def tags(self, most: int) -> list[str]:
        """The first `most` tags of the repository, in the registry's order; none when there is no such one."""

        def get() -> list[str]:
            with self._dxf.ask("get", "tags/list", params={"n": most}, stream=True) as answer:
                return msgspec.json.decode(http.read_limited(answer, MOST_MANIFEST), type=_Tags).tags or []

        return self._asked(get, "list of tags", missing=[])

    def has(self, digest: str, size: int) -> bool:
        """Whether the blob is there. Raises CheckFailed when it has another size."""
        found = self._asked(lambda: self._dxf.blob_size(digest), f"blob {digest}", missing=None)
        if found is not None and found != size:
            raise CheckFailed(f"blob {digest} of {self.at} has {found} bytes and not {size}: it was altered")
        return found is not None

    def blob(self, digest: str, size: int) -> Iterable[bytes]:
        """The blob's bytes, once. Raises CheckFailed at their end when they have not this digest and size."""
        seen, digested = 0, hashlib.sha256()
        with self._dxf.ask("get", f"blobs/{digest}", stream=True) as answer:
            for part in answer.iter_content(CHUNK):
                seen += len(part)
                digested.update(part)
                if seen > size:
                    break
                yield part
        if (seen, f"sha256:{digested.hexdigest()}") != (size, digest):
            raise CheckFailed(f"blob {digest} of {self.at} has other bytes than its digest: it was altered")

    def content(self, digest: str, size: int) -> bytes:
        """All of a small blob's bytes."""
        return self._asked(lambda: b"".join(self.blob(digest, size)), f"blob {digest}")

    def check(self, digest: str, size: int) -> None:
        """Read the whole blob. Raises CheckFailed when its bytes have not this digest and size."""

        def read() -> None:
            for _ in self.blob(digest, size):
                pass

        self._asked(read, f"blob {digest}")

    def mount(self, source: references.Repository, digest: str) -> bool:
        """Take a blob over from another repository of this registry; False when it does not do that."""

        def mount() -> bool:
            try:
                self._dxf.mount_blob(source.name, digest)
            except DXFMountFailed:
                return False
            return True

        return self._asked(mount, f"blob {digest}")  # repeating it is harmless: it has one outcome

    def upload(self, digest: str, size: int, content: Callable[[], Iterable[bytes]]) -> None:
        """Store a blob. It is looked for before it is sent, and again before it is sent again."""

        def send() -> None:
            if not self.has(digest, size):
                self._dxf.push_blob(data=_Content(content(), size), digest=digest, check_exists=False)

        self._asked(send, f"blob {digest}")

    def put(self, name: str, kind: str, data: bytes) -> None:
        """Store a manifest under a tag or its digest. It is looked for before each attempt."""

        def send() -> None:
            if self.manifest(name) != (kind, data):
                self._dxf.ask("put", f"manifests/{name}", data=data, headers={"Content-Type": kind})

        self._asked(send, f"manifest {name}")

    def _asked(self, ask: Callable[[], T], what: str, **missing: T) -> T:
        """Ask until it is answered or given up. `missing` is what a 404 stands for, when it may."""
        try:
            return reads(time.monotonic() + PATIENCE, what=what)(ask)
        except RoadworthyError:
            raise
        except (requests.RequestException, DXFError, OSError, KeyError, ValueError, AssertionError) as error:
            if "missing" in missing and _status(error) == 404:
                return missing["missing"]
            explained = self._explain(error, what)
            raise explained from None if explained is self._dxf.wrong else error

    def _explain(self, error: Exception, what: str) -> RoadworthyError:
        status = _status(error)
        if isinstance(error, DXFUnauthorizedError) or status in (401, 403):
            return self._dxf.wrong or UsageError(
                f"{self.at.registry} does not let us at {self.at.name}: log in, {WHERE} will do (docs/images.md)"
            )
        if status == 404:
            return CheckFailed(f"{self.at} has no {what}")
        if status is not None:
            kind = Unreachable if classify(error) != "final" else CheckFailed
            return kind(f"{what} of {self.at}: the registry answered {status}")
        if isinstance(error, requests.RequestException):
            return Unreachable(f"{what} of {self.at}: {http.reason(error)}")
        return Unreachable(f"{what} of {self.at}: this is no answer of a registry ({type(error).__name__})")


def _let_go(answer: requests.Response, **_: Any) -> None:
    """End an answer of which nobody will read more than its status and headers."""
    if not answer.ok:
        answer.close()


def _status(error: Exception) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None
