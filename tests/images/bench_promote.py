"""The bar of promotion: a 75 MB image within one registry takes at most 2 × `skopeo copy`, in the same run.

    PYTHONPATH=src:tests python tests/images/bench_promote.py [--strict]

Prints one JSON object with medians in seconds and the factor; a missed bar ends it with 1 only with --strict,
for on a machine that others share one slow moment says nothing of the code. The bar is
on the copying, which is a step of a longer command; `command` is the same as a process of its own, with the start
of Python and its libraries in it, and has no bar. Each copies to a repository that has none of the blobs yet, in
turn, so that a busy moment meets all.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from images import servers
from images.conftest import build, push
from roadworthy.packages import registry as images

ROUNDS = 9
BAR = 2.0
LAYERS, SIZE = 5, 15_000_000
COMMAND = "import sys; from roadworthy.packages.registry import promote; promote(*sys.argv[1:], environ={})"


def main() -> int:
    with tempfile.TemporaryDirectory() as name, servers.registry(Path(name) / "registry") as registry:
        folder, engine = Path(name) / "tree", servers.containers(Path(name) / "containers")
        folder.mkdir()
        lines = ["FROM scratch"]
        for number in range(LAYERS):
            (folder / f"layer{number}").write_bytes(os.urandom(SIZE))
            lines.append(f"COPY layer{number} /")
        (folder / "Dockerfile").write_text("\n".join(lines))
        ref = push(build(folder, engine, "--layers"), f"{registry.host}/build/web:1", folder, engine)
        digest, size = ref.rpartition("@")[2], images.read(ref, environ={}).size
        times: dict[str, list[float]] = {"ours": [], "command": [], "skopeo": []}
        for number in range(ROUNDS):
            to = f"{registry.host}/round{number}"
            began = time.perf_counter()
            images.promote(ref, f"{to}/ours", environ={})
            times["ours"].append(time.perf_counter() - began)
            began = time.perf_counter()
            servers.run([sys.executable, "-c", COMMAND, ref, f"{to}/command"], dict(os.environ))
            times["command"].append(time.perf_counter() - began)
            copy = ["skopeo", "copy", "-q", "--preserve-digests", "--all"]
            tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
            began = time.perf_counter()
            servers.run([*copy, *tls, f"docker://{ref}", f"docker://{to}/skopeo:1"], engine)
            times["skopeo"].append(time.perf_counter() - began)
            assert servers.inspect(f"{to}/ours@{digest}") == servers.inspect(f"{to}/skopeo:1")
        servers.run(["buildah", "rmi", "--all", "--force"], engine)
    median = {who: round(statistics.median(all_of), 4) for who, all_of in times.items()}
    factors = {f"factor_{who}": round(median[who] / median["skopeo"], 2) for who in ("ours", "command")}
    print(json.dumps({"bytes": size, **median, **factors, "bar": BAR, "rounds": ROUNDS}))
    return int(factors["factor_ours"] > BAR and "--strict" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
