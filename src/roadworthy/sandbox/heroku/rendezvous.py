"""Attached one-off processes: a TLS port where a caller who knows the secret gets a process's terminal.

The caller sends `<secret>\\r\\n` and gets `rendezvous\\r\\n` first, which clients drop; from then on bytes go
both ways until the process ends. The process may start before its caller arrives; its output waits.

Only `heroku run` without `--detached` needs it; roadworthy itself never does. It is kept because the real Heroku
command line knows no other way to run a one-off and get its exit status, and the tests drive that command line.

Invariants: the certificate is made here, for 127.0.0.1 only, and its key never leaves the folder; a secret
works once; a caller who does not come in time, or leaves, ends the process.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from contextlib import suppress
from pathlib import Path

from ..processes.runtime import AppRuntime

ARRIVAL = 60.0
"""Seconds within which the caller must come."""
LAST_WORDS = 0.2
"""Seconds that a caller has to end its input after the process ended."""
END_OF_INPUT = b"\x04"
"""What the Heroku CLI sends where its own input ends, as a terminal would."""
CERTIFICATE, KEY = "rendezvous-cert.pem", "rendezvous-key.pem"


class Session:
    """One process's terminal, waiting for its caller."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stdin = asyncio.StreamReader()
        self._arrived: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()
        self._said_all = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def write(self, data: bytes) -> None:
        """Give the caller output of the process; waits until there is a caller and it reads."""
        writer = await asyncio.shield(self._arrived)
        with suppress(ConnectionError):
            writer.write(data)
            await writer.drain()

    def serve(self, runtime: AppRuntime, dyno_id: str, name: str) -> None:
        """Serve the session for one process of `runtime`, in a task of its own."""
        self._task = asyncio.create_task(self._serve(runtime, dyno_id, name))

    async def _serve(self, runtime: AppRuntime, dyno_id: str, name: str) -> None:
        try:
            writer = await asyncio.wait_for(asyncio.shield(self._arrived), ARRIVAL)
        except TimeoutError:
            self._arrived.cancel()
            await runtime.stop_instance(name)
            return
        ended = asyncio.create_task(runtime.wait(dyno_id))
        left = asyncio.create_task(self._left.wait())
        await asyncio.wait({ended, left}, return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if not ended.done():
            await runtime.stop_instance(name)
        await ended
        # The Heroku CLI dies when the connection closes before it could say that its input ended.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._said_all.wait(), LAST_WORDS)
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the caller's side until it leaves."""
        if self._arrived.done():
            writer.close()
            return
        writer.write(b"rendezvous\r\n")
        await writer.drain()
        self.stdin.set_transport(writer.transport)  # so that a process that reads slowly slows its caller
        self._arrived.set_result(writer)
        with suppress(OSError):
            while data := await reader.read(65536):
                text, end, _ = data.partition(END_OF_INPUT)
                self.stdin.feed_data(text)
                if end:
                    break
            self.stdin.feed_eof()
            self._said_all.set()
            await reader.read()
        self._said_all.set()
        self._left.set()


class Rendezvous:
    """A TLS server on loopback for attached one-off processes; it starts with the first session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sessions: dict[str, Session] = {}
        self._server: asyncio.Server | None = None

    async def session(self) -> Session:
        """A new session; its URL is `rendezvous://127.0.0.1:PORT/SECRET`."""
        if self._server is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._folder / CERTIFICATE, self._folder / KEY)
            self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, ssl=context)
        secret = secrets.token_hex(16)
        port = self._server.sockets[0].getsockname()[1]
        self._sessions[secret] = session = Session(f"rendezvous://127.0.0.1:{port}/{secret}")
        asyncio.get_running_loop().call_later(ARRIVAL, self._sessions.pop, secret, None)
        return session

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
            session = self._sessions.pop(line.strip().decode("ascii", "replace"), None)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            session = None
        if session is None:
            writer.close()
            return
        await session.attach(reader, writer)

    async def stop(self) -> None:
        """Accept no more sessions."""
        if self._server is not None:
            self._server.close()


def make_certificate(folder: Path) -> None:
    """A self-signed certificate for 127.0.0.1 and its key (0600), unless they are there."""
    if (folder / KEY).exists() and (folder / CERTIFICATE).exists():
        return
    # Imported here: it takes a tenth of a second, and is needed once in a sandbox's life.
    from datetime import UTC, datetime, timedelta
    from ipaddress import IPv4Address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "roadworthy sandbox")])
    here = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=3650))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    for file, content in ((KEY, private), (CERTIFICATE, public)):
        part = folder / f"{file}.part"
        part.write_bytes(content)
        part.chmod(0o600)
        part.replace(folder / file)
