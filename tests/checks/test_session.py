"""The session through which this package speaks HTTP, against real loopback servers."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roadworthy import __version__, http, retry
from roadworthy.errors import CheckFailed


def test_every_request_has_a_timeout_even_when_none_is_asked_for(serve: Any) -> None:
    server = serve(lambda r: r.hang())
    with http.session(0.05) as session, pytest.raises(requests.ReadTimeout):
        session.get(server.url, timeout=None)


def test_the_user_agent_names_the_version_and_headers_are_sent(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200))
    with http.session(5, {"Authorization": "Bearer t"}) as session:
        session.get(server.url)
    assert server.requests[0].headers["user-agent"] == f"roadworthy/{__version__}"
    assert server.requests[0].headers["authorization"] == "Bearer t"


def test_a_redirect_to_another_port_takes_no_credentials_along(serve: Any, reply: Any) -> None:
    other = serve(lambda r: reply(200))
    server = serve(lambda r: reply(302, None, f"Location: {other.url}/x"))
    with http.session(5, {"Authorization": "Bearer t", "X-Api-Key": "k", "Cookie": "s=1"}) as session:
        assert session.get(server.url).status_code == 200
    assert not {"authorization", "x-api-key", "cookie"} & set(other.requests[0].headers)
    assert {"authorization", "x-api-key", "cookie"} <= set(server.requests[0].headers)


def test_a_redirect_on_the_same_host_keeps_them(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(302, None, "Location: /b") if r.path == "/a" else reply(200))
    with http.session(5, {"Authorization": "Bearer t"}) as session:
        session.get(f"{server.url}/a")
    assert server.requests[1].headers["authorization"] == "Bearer t"


def test_a_body_does_not_follow_a_redirect_to_another_host(serve: Any, reply: Any) -> None:
    other = serve(lambda r: reply(200))
    server = serve(lambda r: reply(307, None, f"Location: {other.url}/x"))
    with http.session(5) as session, pytest.raises(requests.TooManyRedirects):
        session.post(server.url, json={"DATABASE_URL": "secret"})
    assert other.requests == []


def test_redirects_come_to_an_end(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(302, None, "Location: /again"))
    with http.session(5) as session, pytest.raises(requests.TooManyRedirects):
        session.get(server.url)
    assert len(server.requests) == http.MOST_REDIRECTS + 1


def test_the_environment_puts_no_proxy_before_this_machine_and_no_netrc_into_a_request(
    serve: Any, reply: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password netrc-secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server = serve(lambda r: reply(200))
    with http.session(5) as session:
        assert session.get(server.url).status_code == 200
    assert "authorization" not in server.requests[0].headers


@responses.activate
def test_other_hosts_are_asked_through_the_proxy_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    responses.get("https://api.example/apps", json=[])
    with http.session(5) as session:
        session.get("https://api.example/apps")
        settings = session.merge_environment_settings("https://api.example/apps", {}, None, None, None)
    assert settings["proxies"]["https"] == "http://proxy.example:3128"
    assert responses.calls[0].request.req_kwargs["verify"] is True  # type: ignore[attr-defined]


def test_a_bundle_in_the_environment_does_not_override_what_a_caller_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/from/the/environment.pem")
    with http.session(5) as session:
        assert session.verify == "/from/the/environment.pem"
        named = session.merge_environment_settings("https://api.example", {}, None, "/named.pem", None)
    assert named["verify"] == "/named.pem"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ALL_PROXY", "socks5h://127.0.0.1:1080", " is no http:// or https:// address"),
        ("https_proxy", "socks5://user:a-password@127.0.0.1:1080", " is no http:// or https:// address"),
        ("HTTPS_PROXY", "http://user:a-password@127.0.0.1:9", ": no connection: Connection refused"),
        ("all_proxy", "127.0.0.1:9", ": no connection: Connection refused"),
    ],
)
def test_a_wrong_proxy_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    for other in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, value)
    error = failure("https://api.example.invalid/")
    assert http.reason(error) == f"the proxy of {name}{why}"


def test_a_wrong_bundle_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent.pem")
    error = failure("https://127.0.0.1:9/")
    assert http.reason(error) == "REQUESTS_CA_BUNDLE names no file of certificates that can be read"
    assert retry.classify(error) == "final"


def test_a_body_is_read_up_to_its_limit(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, b"12345"))
    with http.session(5) as session:
        assert http.read_limited(session.get(server.url, stream=True), 5) == b"12345"
        with pytest.raises(CheckFailed, match="longer than 4 bytes"):
            http.read_limited(session.get(server.url, stream=True), 4)


def endless(part: bytes, status: int = 200, head: bytes = b"") -> Any:
    """An answer that never ends; whoever sends it stops when nobody reads any more."""

    def respond(request: Any) -> None:
        request.connection.sendall(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, head))
        with suppress(OSError):
            while True:
                request.connection.sendall(part * 1024)

    return respond


def test_no_body_is_read_without_an_end(serve: Any) -> None:
    for method in ("GET", "POST"):
        with http.session(5) as session, pytest.raises(http.TooLong) as caught:
            session.request(method, serve(endless(b"[[[[" * 64)).url)
        assert "longer than 16777216 bytes" in http.reason(caught.value)
        assert retry.classify(caught.value) == "transient"  # so a write that is answered like that is unknown


def test_the_body_of_a_redirect_is_not_read_without_an_end_either(serve: Any) -> None:
    server = serve(endless(b"x" * 64, 302, b"Location: /elsewhere\r\n"))
    with http.session(5) as session, pytest.raises(http.TooLong):
        session.get(server.url, stream=True)


def test_a_line_without_an_end_is_not_waited_for(serve: Any, reply: Any) -> None:
    server = serve(lambda r: reply(200, b"one\r\ntwo\n\nrest"))
    with http.session(5) as session:
        lines = http.read_lines(session.get(server.url, stream=True), chunk=3)
        assert list(lines) == [b"one", b"two", b"", b"rest"]
        lines = http.read_lines(session.get(serve(endless(b"x" * 64)).url, stream=True), chunk=65536)
        with pytest.raises(http.TooLong, match="a line of the answer"):
            next(lines)


def failure(url: str, seconds: float = 5) -> BaseException:
    with http.session(seconds, {"Authorization": "Bearer hunter2"}) as session:
        try:
            http.read_limited(session.get(url, stream=True), 1000)
        except requests.RequestException as error:
            return error
    raise AssertionError("the request was answered")


def test_errors_are_told_in_a_few_words_without_address_or_credentials(serve: Any, reply: Any) -> None:
    def stall(request: Any) -> None:
        request.connection.sendall(reply(200, b"12345")[:-1])
        request.hang()

    with socket.socket() as free:
        free.bind(
            ("127.0.0.1", 0)
        )  # ours to the end, and nobody listens: a freed port may be given to a server below
        nobody = f"http://user:hunter2@127.0.0.1:{free.getsockname()[1]}/?key=hunter2"
        silent = serve(lambda r: r.hang()).url, serve(stall).url
        cases = {
            nobody: "no connection: Connection refused",
            serve(lambda r: r.reset()).url: "no connection: Connection reset by peer",
            serve(lambda r: None).url: "the connection was closed without an answer",
            serve(lambda r: reply(200, b"12345")[:-1]).url: "the answer was cut short",
            **dict.fromkeys(silent, "no answer in time"),
            "ftp://hunter2": "the request failed: InvalidSchema",
        }
        said = {url: http.reason(failure(url, 0.1 if url in silent else 5)) for url in cases}
    assert said == cases


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for, and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def test_a_certificate_nobody_vouches_for_is_refused_and_asking_again_would_not_help(
    tmp_path: Path, serve: Any, reply: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = self_signed(tmp_path)
    context.load_cert_chain(pem)
    server = serve(lambda r: reply(200), context)
    url = server.url.replace("http:", "https:")
    error = failure(url)
    assert http.reason(error) == "no TLS: the server's certificate or protocol is not accepted"
    assert retry.classify(error) == "final"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    with http.session(5) as session:
        assert session.get(url).status_code == 200


@pytest.mark.parametrize(
    ("url", "yes"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1/x", True),
        ("http://localhost", True),
        ("http://autorisen.localhost:1", True),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
        ("http://127.0.0.1@example.com", False),
        ("http://127.0.0.1.example.com", False),
    ],
)
def test_this_machine_is_known_by_its_address_and_not_by_its_looks(url: str, yes: bool) -> None:
    assert http.is_loopback(url) is yes


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert http.without_credentials("https://u:p@h:1/a?token=x#y") == "https://h:1/a"
    assert http.without_credentials("http://[::1") == "(not an address)"
