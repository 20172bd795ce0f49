"""The bar of a deploy within one registry: copying a 327 MB image and reading it once is at most 8 × `skopeo copy`.

    PYTHONPATH=src:tests python tests/images/bench_deploy.py [--strict]

Prints one JSON object with medians in seconds and the factor; a missed bar ends it with 1 only with --strict. What
is timed is what a deploy to Heroku does with an image before it is released: copied into the app's repository, each
byte read there, tagged. `sandbox` is what the sandbox adds when the image is released there: podman has the layers
since its acceptance. `skopeo copy` takes the layers over and reads none. `read` is what reading alone takes a plain
client: curl, and sha256sum. Each copies to a repository that has none of the blobs yet, in turn.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images import servers
from images.conftest import build, push
from roadworthy.model import Package
from roadworthy.packages import registry as images
from roadworthy.platforms.heroku.images import Images
from roadworthy.sandbox.processes import images as sandbox

ROUNDS = 7
BAR = 8.0
LAYERS = (200_000_000, 90_000_000, 30_000_000, 7_000_000)


def main() -> int:
    with tempfile.TemporaryDirectory() as name, servers.registry(Path(name) / "registry") as registry:
        folder, engine = Path(name) / "tree", servers.containers(Path(name) / "containers")
        folder.mkdir()
        lines = ["FROM scratch"]
        for number, size in enumerate(LAYERS):
            (folder / f"layer{number}").write_bytes(os.urandom(size))
            lines.append(f"COPY layer{number} /")
        (folder / "Dockerfile").write_text("\n".join(lines))
        try:
            ref = push(build(folder, engine, "--layers"), f"{registry.host}/build/web:1", folder, engine)
            image = images.read(ref, environ={})
            times = _timed(registry.host, image, engine)
        finally:
            servers.run(["buildah", "rmi", "--all", "--force"], engine)
            servers.let_go(Path(name) / "containers")
    median = {who: round(statistics.median(all_of), 4) for who, all_of in times.items()}
    factor = round((median["ours"] + median["sandbox"]) / median["skopeo"], 2)
    print(json.dumps({"bytes": image.size, **median, "factor": factor, "bar": BAR, "rounds": ROUNDS}))
    return int(factor > BAR and "--strict" in sys.argv)


def _timed(host: str, image: images.Manifest, engine: dict[str, str]) -> dict[str, list[float]]:
    digest, config = image.digest.removeprefix("sha256:"), image.config.digest if image.config else ""
    package = Package("0" * 40, digest, image.size, kind="image", ref=image.ref, config=config)
    apps = Images(None, None, host, {})  # type: ignore[arg-type]  # nothing is released
    times: dict[str, list[float]] = {"ours": [], "sandbox": [], "skopeo": [], "read": []}
    for number in range(ROUNDS):
        began = time.perf_counter()
        apps.promote(f"ours{number}", package, lambda _: None)
        times["ours"].append(time.perf_counter() - began)
        began = time.perf_counter()
        with mock.patch.dict(os.environ, engine):
            sandbox.fetch(host, f"ours{number}", {"web": config}, Path("/nonexistent"))
        times["sandbox"].append(time.perf_counter() - began)
        copy = [
            "skopeo",
            "copy",
            "-q",
            "--preserve-digests",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
        ]
        to = f"{host}/skopeo{number}/web:1"
        began = time.perf_counter()
        servers.run([*copy, f"docker://{image.ref}", f"docker://{to}"], engine)
        times["skopeo"].append(time.perf_counter() - began)
        assert servers.inspect(f"{host}/ours{number}/web@{image.digest}") == servers.inspect(to)
        began = time.perf_counter()
        for blob in image.layers:
            line = f"curl -s http://{host}/v2/build/web/blobs/{blob.digest} | sha256sum"
            subprocess.run(["sh", "-c", line], check=True, capture_output=True)
        times["read"].append(time.perf_counter() - began)
    return times


if __name__ == "__main__":
    sys.exit(main())
