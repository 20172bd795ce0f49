"""A project on the live target, whose platform is the sandbox behind TLS, and the commands of a page on it."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import shlex
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from road.project import REPOSITORY, Project, Ran
from roadworthy.sandbox import control


class Live:
    """`project` says `target = "live"`, not yet committed. `env` is what a person has exported so far."""

    def __init__(self, project: Project, api: str, authority: Path, home: Path) -> None:
        self.project, self.home = project, home
        here = control.find(project.sandbox)
        assert here is not None
        self.env = {"HOME": str(home), "HEROKU_API_KEY": here.api_key, "REQUESTS_CA_BUNDLE": str(authority)}
        path = project.root / "release.toml"
        text = path.read_text()
        for old, new in (
            ('target = "sandbox"', 'target = "live"'),
            ('api = "https://api.heroku.com"\npoll = "2s"', f'api = "{api}"\npoll = "10ms"'),
            ('url = "https://dev.cape-control.com"', f'url = "{self._url("staging")}"'),
            ('url = "https://cape-control.com"', f'url = "{self._url("prod")}"'),
        ):
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text)
        (project.root / "scripts").mkdir()
        (project.root / "scripts/audit.sh").symlink_to(REPOSITORY / "scripts/audit.sh")
        project.git("add", "scripts")
        project.git("commit", "-q", "-m", "Audit without Python")

    def _url(self, place: str) -> str:
        return str(self.project.api("GET", f"/apps/{self.project.app(place)}")["web_url"]).rstrip("/")

    def as_(self, key: str) -> None:
        """Sign with this key from now on."""
        self.type(f"export ROADWORTHY_SIGNING_KEY_FILE=~/.config/roadworthy/{key}")

    def type(self, line: str) -> Ran:
        """Run one line of a page's console."""
        words = shlex.split(line)
        if words[0] == "export":
            said = (word.partition("=") for word in words[1:])
            self.env |= {name: value.replace("~", str(self.home), 1) for name, _, value in said}
            return Ran(0, "", "")
        if words[0] == "invoke":
            return self.project.invoke(*words[1:], env=self.env)
        if words[0] == "git":
            return Ran(0, self.project.git(*words[1:]), "")
        ran = subprocess.run(words, cwd=self.project.root, capture_output=True, text=True, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def alone(self, *words: str) -> Ran:
        """Run one command as a process of its own, to its end."""
        return self.project.process(*words, env=self.env)

    def trusts(self, *changes: tuple[str, str], more: str = "") -> None:
        """Change trust.toml, raise its version, and commit it."""
        path = self.project.root / ".release/trust/trust.toml"
        text = path.read_text()
        version = int(re.search(r"version = (\d+)", text)[1])  # type: ignore[index]
        for old, new in ((f"version = {version}", f"version = {version + 1}"), *changes):
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text + more)
        self.project.git("commit", "-qam", "Change who may sign what")

    def must(self, line: str) -> Ran:
        """Run one line, which must end well."""
        ran = self.type(line)
        assert ran.code == 0, (line, ran.text)
        return ran

    def refused(self, line: str, code: int = 3) -> str:
        """What one line says that must be refused."""
        ran = self.type(line)
        assert ran.code == code, (line, ran.text)
        return ran.text


@contextlib.contextmanager
def behind_tls(sandbox: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """The sandbox's API at an https address, and the certificate that vouches for it."""
    here = control.find(sandbox)
    assert here is not None
    certificate, context = _certificate(folder), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    there = urlsplit(here.url)
    assert there.hostname and there.port
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=carry, args=(taken,), daemon=True).start()

    def carry(taken: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            taken,
            context.wrap_socket(taken, server_side=True) as client,
            socket.create_connection((there.hostname, there.port)) as server,
        ):
            back = threading.Thread(target=pour, args=(server, client), daemon=True)
            back.start()
            pour(client, server)
            back.join()

    def pour(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", certificate
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _certificate(folder: Path) -> Path:
    """A file with a key and a certificate of its own for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = folder / "sandbox.pem"
    path.write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()) + made.public_bytes(pem))
    return path
