"""A web app that answers a few milliseconds after its start."""

# Importing pathlib would double the time that this app takes to boot.
# ruff: noqa: PTH100, PTH118, PTH120, PTH123, PTH207, RUF100

import itertools
import json
import os
import signal
import socket
import sys
import threading
import time

from mood import HERE, mood

healths = itertools.count()

with open(os.path.join(HERE, "COMMIT")) as file:
    COMMIT = file.read().strip()


def answer(path):
    said = mood()
    for line in said.get("say", []):
        print(line, flush=True)
    path = path.partition("?")[0]
    if path == "/api/health":
        said.update(later(said, next(healths)))
        time.sleep(said.get("health_seconds", 0))
        if "put_at_health" in said:
            put(*said["put_at_health"])
        return said.get("health_code", 200), {"status": said.get("health", "healthy")}, {}
    if path == "/api/auth/csrf":
        cookie = {"Set-Cookie": said.get("cookie", "csrf_token=abc; Path=/")}
        return 200, {"csrf_token": "abc"}, cookie
    if path == "/api/auth/me":
        if said.get("me") == 200:
            return 200, {"email": "a@b.example", "detail": "Not authenticated"}, {}
        return 401, {"detail": "Not authenticated"}, {}
    if path == "/api/version":
        return 200, {"gitSha": said.get("version", "{}").format(COMMIT)}, {"Cache-Control": "no-store"}
    if path == "/env":
        return 200, {name: os.environ.get(name) for name in ("COLOUR", "PORT")}, {}
    if path == "/":
        return 200, {}, {}
    return 404, {}, {}


def later(said, number):
    """What is different once health was asked `from` times, each time or `each` so many times."""
    then = said.get("later", {})
    return then if then and number >= then["from"] and number % then.get("each", 1) == 0 else {}


def put(url, key, value):
    """Tell the sandbox something at the very moment that a check is asked."""
    import urllib.request

    headers = {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(url, json.dumps(value).encode(), headers, method="PUT")
    urllib.request.urlopen(request, timeout=5).close()


def serve(connection):
    with connection:
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(4096)
            if not more:
                return
            head += more
        status, body, headers = answer(head.split(b" ", 2)[1].decode())
        data = json.dumps(body).encode()
        told = {
            "Content-Type": "application/json",
            "Content-Length": len(data),
            "Connection": "close",
            **headers,
        }
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in told.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode() + data)


def main():
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    said = mood()
    time.sleep(said.get("boot_seconds", 0))
    if said.get("boot") == "die":
        print("reading settings", flush=True)
        sys.exit("settings: DATABASE_PASSWORD is not set")
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


main()
