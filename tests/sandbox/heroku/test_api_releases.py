"""Slugs and releases: upload, release, order, roll back, page through."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gzip
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import requests

from roadworthy.errors import UsageError
from roadworthy.sandbox import control
from roadworthy.sandbox.heroku import slugs
from sandbox.client import WEB, Client, checksum, tar, until


def test_a_slug_is_uploaded_released_and_runs(heroku: Client) -> None:
    app = heroku.app()
    slug = heroku.slug(app, commit="60883d9e8947a57e04dc9124f25df004866a2051")
    release = heroku.release(app, slug)
    assert release["description"] == "Deploy 60883d9e"
    assert release["status"] == "succeeded"
    assert release["current"] is True
    assert release["slug"] == {"id": slug["id"]}
    heroku.running(app, release["version"])


def test_a_release_leads_to_its_slug_and_the_slug_to_its_checksum_and_commit(heroku: Client) -> None:
    app, data = heroku.app(), tar({"web.py": WEB})
    release = heroku.release(app, heroku.slug(app, data, commit="a" * 40))
    slug = heroku.get(f"/apps/{app}/releases/{release['id']}")["slug"]
    found = heroku.get(f"/apps/{app}/slugs/{slug['id']}")
    assert found["checksum"] == checksum(data)
    assert found["commit"] == "a" * 40
    assert found["size"] == len(data)
    assert found["process_types"] == {"web": "python web.py"}
    assert requests.get(found["blob"]["url"], timeout=10).content == data


def test_the_same_slug_can_be_released_to_another_app(heroku: Client) -> None:
    first, second = heroku.app(), heroku.app()
    slug = heroku.slug(first)
    heroku.release(first, slug)
    heroku.running(second, heroku.release(second, slug)["version"])


@pytest.mark.parametrize("packed", ["plain", "gzip", "without the app folder"])
def test_a_slug_may_be_packed_in_each_of_these_ways(heroku: Client, packed: str) -> None:
    data = tar({"web.py": WEB}, prefix="" if packed.startswith("without") else "./app/")
    data = gzip.compress(data) if packed == "gzip" else data
    app = heroku.app()
    heroku.running(app, heroku.release(app, heroku.slug(app, data))["version"])


def test_a_folder_named_app_among_others_is_not_taken_for_the_root(heroku: Client) -> None:
    app = heroku.app()
    slug = heroku.slug(app, tar({"web.py": WEB, "app/other.py": ""}, prefix=""))
    heroku.running(app, heroku.release(app, slug)["version"])


def test_without_process_types_the_procfile_counts(heroku: Client) -> None:
    app = heroku.app()
    data = tar({"web.py": WEB, "Procfile": "# what runs\nweb: python web.py\nworker: sleep 60\n"})
    heroku.running(app, heroku.release(app, heroku.slug(app, data, processes={}))["version"])
    shown = {row["type"]: (row["quantity"], row["command"]) for row in heroku.get(f"/apps/{app}/formation")}
    assert shown == {"web": (1, "python web.py"), "worker": (0, "sleep 60")}


def test_a_blob_that_is_not_what_was_announced_is_refused_and_cannot_be_released(heroku: Client) -> None:
    app, data = heroku.app(), tar({"web.py": WEB})
    slug = heroku.post(f"/apps/{app}/slugs", {"process_types": {}, "checksum": checksum(data)})
    answer = requests.put(slug["blob"]["url"], data=data + b"!", timeout=10)
    assert answer.status_code == 400
    assert checksum(data) in answer.json()["message"]
    refused = heroku.call("POST", f"/apps/{app}/releases", {"slug": slug["id"]})
    assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params")
    assert requests.put(slug["blob"]["url"], data=data, timeout=10).ok
    assert heroku.release(app, slug)["status"] == "succeeded"


def test_a_slug_never_changes_but_sending_it_again_is_harmless(heroku: Client) -> None:
    app, data = heroku.app(), tar({"web.py": WEB})
    url = heroku.post(f"/apps/{app}/slugs", {"process_types": {}})["blob"]["url"]
    assert requests.put(url, data=data, timeout=10).ok
    assert requests.put(url, data=data, timeout=10).ok
    assert requests.put(url, data=tar({"web.py": "other"}), timeout=10).status_code == 400
    assert requests.get(url, timeout=10).content == data


def test_a_blob_is_only_for_those_who_have_its_url(heroku: Client) -> None:
    app = heroku.app()
    url = heroku.slug(app)["blob"]["url"]
    assert requests.get(url[:-1], timeout=10).status_code == 403
    assert requests.put(url.partition("?")[0], data=b"x", timeout=10).status_code == 403


@pytest.mark.parametrize(
    "data",
    [
        tar({"evil.py": "x"}, prefix="../"),
        tar({"evil.py": "x"}, prefix="/../../"),
        b"this is no tar at all",
        b"\x1f\x8b broken gzip",
        tar({"web.py": WEB})[:700],
    ],
    ids=["parent", "absolute parent", "no tar", "broken gzip", "cut off"],
)
def test_a_hostile_or_broken_slug_makes_no_release(heroku: Client, data: bytes) -> None:
    app = heroku.app()
    slug = heroku.slug(app, data)
    before = heroku.get(f"/apps/{app}/releases")
    refused = heroku.call("POST", f"/apps/{app}/releases", {"slug": slug["id"]})
    assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params")
    assert heroku.get(f"/apps/{app}/releases") == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_out_of_the_folder_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("app/evil")
    member.type, member.linkname = kind, "../../../../etc/passwd"
    with tarfile.open(tmp_path / "blob", "w") as archive:
        archive.addfile(member)
    with pytest.raises(UsageError, match="cannot be unpacked"):
        slugs.unpack(tmp_path / "blob", tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_a_slug_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blob").write_bytes(tar({"one": "x" * 600, "two": "x" * 600}))
    monkeypatch.setattr(slugs, "UNPACKED_LIMIT", 1000)
    with pytest.raises(UsageError, match="unpacks to more than"):
        slugs.unpack(tmp_path / "blob", tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["blob"]


def test_a_blob_that_is_too_large_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 400

    monkeypatch.setattr(slugs, "BLOB_LIMIT", 1000)
    with pytest.raises(UsageError, match="larger than 1000 bytes"):
        asyncio.run(slugs.receive(chunks(), tmp_path / "blob", None))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_slug_makes_no_release(heroku: Client) -> None:
    app = heroku.app()
    refused = heroku.call("POST", f"/apps/{app}/releases", {"slug": "01234567-89ab-cdef-0123-456789abcdef"})
    assert (refused.status_code, refused.json()["id"]) == (404, "not_found")


def test_releases_at_the_same_time_get_consecutive_versions(heroku: Client) -> None:
    app = heroku.app()
    slug = heroku.slug(app, processes={"worker": "sleep 60"})
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: Client.release(heroku, app, slug)["version"], range(6)))
    assert sorted(made) == list(range(4, 10))
    current = [row["version"] for row in heroku.get(f"/apps/{app}/releases") if row["current"]]
    assert current == [9]


def test_changes_at_the_same_time_lose_nothing_of_each_other(heroku: Client, folder: Path) -> None:
    app = heroku.app()
    many = heroku.slug(app, tar({"web.py": WEB, **{f"{number}.txt": "x" for number in range(4000)}}))
    unpacked = folder / "apps" / heroku.get(f"/apps/{app}")["id"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        release = pool.submit(Client(control.up(folder)).release, app, many)
        until(lambda: list(unpacked.glob("*.part")))
        heroku.patch(f"/apps/{app}", {"maintenance": True})
        heroku.patch(f"/apps/{app}/config-vars", {"COLOUR": "blue"})
        assert release.result()["version"] == 4
    newest = heroku.get(f"/apps/{app}/releases")[-1]
    assert (newest["version"], newest["slug"], newest["current"]) == (5, {"id": many["id"]}, True)
    assert heroku.get(f"/apps/{app}/releases/5/config-vars")["COLOUR"] == "blue"
    assert heroku.get(f"/apps/{app}")["maintenance"] is True


def test_a_rollback_is_a_new_release_with_the_old_code_and_the_old_config(heroku: Client) -> None:
    app = heroku.app()
    slug = heroku.slug(app)
    heroku.patch(f"/apps/{app}/config-vars", {"COLOUR": "blue"})
    old = heroku.release(app, slug)
    heroku.patch(f"/apps/{app}/config-vars", {"COLOUR": "red"})
    heroku.release(app, heroku.slug(app, tar({"web.py": WEB, "new": ""})))
    back = heroku.post(f"/apps/{app}/releases", {"release": old["id"]})
    assert back["description"] == f"Rollback to v{old['version']}"
    assert back["version"] == 8
    assert back["slug"] == old["slug"]
    assert heroku.get(f"/apps/{app}/config-vars")["COLOUR"] == "blue"
    heroku.running(app, 8)
    assert heroku.seen(app, "COLOUR") == "blue"


def test_what_has_no_code_cannot_be_rolled_back_to(heroku: Client) -> None:
    app = heroku.app()
    first = heroku.get(f"/apps/{app}/releases/1")
    assert first["eligible_for_rollback"] is False
    refused = heroku.call("POST", f"/apps/{app}/releases", {"release": first["id"]})
    assert refused.status_code == 422
    other = heroku.call("POST", f"/apps/{app}/releases", {"release": "01234567-89ab-cdef-0123-456789abcdef"})
    assert other.status_code == 404
    assert heroku.call("POST", f"/apps/{app}/releases", {}).status_code == 422


def test_a_release_is_found_by_id_and_by_version(heroku: Client) -> None:
    app = heroku.app()
    by_version = heroku.get(f"/apps/{app}/releases/2")
    assert heroku.get(f"/apps/{app}/releases/{by_version['id']}") == by_version
    for unknown in ("0", "99", "v2", "latest", "01234567-89ab-cdef-0123-456789abcdef"):
        assert heroku.call("GET", f"/apps/{app}/releases/{unknown}").status_code == 404


def test_the_release_command_runs_first_and_the_release_waits_for_it(heroku: Client, tmp_path: Path) -> None:
    app = heroku.app()
    heroku.patch(f"/apps/{app}/config-vars", {"GO": str(tmp_path / "go")})
    data = tar({"web.py": WEB, "wait": 'until [ -e "$GO" ]; do sleep 0.02; done; echo migrated'})
    slug = heroku.slug(app, data, {"web": "python web.py", "release": "sh wait"})
    release = heroku.release(app, slug)
    assert (release["status"], release["current"]) == ("pending", False)
    until(lambda: any(row["name"].startswith("release.") for row in heroku.get(f"/apps/{app}/dynos")))
    assert heroku.seen(app, "HEROKU_RELEASE_VERSION") == ""
    (tmp_path / "go").touch()
    heroku.running(app, release["version"])
    assert heroku.get(f"/apps/{app}/releases/{release['version']}")["status"] == "succeeded"
    assert "migrated" in heroku.logs(app)
    assert [row["type"] for row in heroku.get(f"/apps/{app}/formation")] == ["web"]


def test_a_release_whose_command_fails_never_starts(heroku: Client) -> None:
    app = heroku.app()
    good = heroku.release(app, heroku.slug(app))
    heroku.running(app, good["version"])
    slug = heroku.slug(app, processes={"web": "python web.py", "release": "echo no; exit 3"})
    bad = heroku.release(app, slug)
    until(lambda: heroku.get(f"/apps/{app}/releases/{bad['version']}")["status"] == "failed")
    assert heroku.seen(app, "HEROKU_RELEASE_VERSION") == f"v{good['version']}"
    assert heroku.get(f"/apps/{app}/releases/{good['version']}")["current"] is True
    assert f"Release v{bad['version']} failed: exit status 3" in heroku.logs(app)


def test_old_slugs_are_unpacked_again_when_they_are_wanted_again(heroku: Client, folder: Path) -> None:
    app = heroku.app()
    first = heroku.release(app, heroku.slug(app, processes={"worker": "sleep 60"}))
    other = heroku.slug(app, processes={"worker": "sleep 60"})
    for _ in range(11):
        heroku.release(app, other)
    unpacked = folder / "apps" / heroku.get(f"/apps/{app}")["id"]
    assert [path.name for path in unpacked.iterdir()] == [other["id"]]
    heroku.post(f"/apps/{app}/releases", {"release": first["id"]})
    assert (unpacked / first["slug"]["id"]).is_dir()


def test_releases_are_listed_by_range(heroku: Client) -> None:
    app = heroku.app()
    for number in range(5):
        heroku.patch(f"/apps/{app}/config-vars", {"NUMBER": str(number)})
    path = f"/apps/{app}/releases"
    assert [row["version"] for row in heroku.get(path)] == [1, 2, 3, 4, 5, 6, 7, 8]
    page = heroku.call("GET", path, Range="version ..; max=3, order=desc")
    seen = []
    while page.status_code == 206:
        seen += [row["version"] for row in page.json()]
        page = heroku.call("GET", path, Range=page.headers["Next-Range"])
    assert page.status_code == 200
    assert seen + [row["version"] for row in page.json()] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert page.headers["Accept-Ranges"] == "version, id"
    from_six = heroku.call("GET", path, Range="version 6..")
    assert [row["version"] for row in from_six.json()] == [6, 7, 8]
    assert heroku.call("GET", path, Range="version ..; order=desc,max=1;").json()[0]["version"] == 8


@pytest.mark.parametrize(
    "header", ["colour ..", "version", "version x..", "version ..; max=0", "version ..; max=1001", "]" * 2000]
)
def test_a_range_that_cannot_be_read_is_refused(heroku: Client, header: str) -> None:
    app = heroku.app()
    answer = heroku.call("GET", f"/apps/{app}/releases", Range=header)
    assert (answer.status_code, answer.json()["id"]) == (416, "requested_range_not_satisfiable")


def test_an_image_is_recorded_but_its_release_fails_for_there_is_no_engine(heroku: Client) -> None:
    app = heroku.app()
    running = heroku.release(app, heroku.slug(app))
    image = "sha256:" + "ab" * 32
    formation = heroku.patch(
        f"/apps/{app}/formation",
        {"updates": [{"type": "web", "docker_image": image}]},
        Accept="application/vnd.heroku+json; version=3.docker-releases",
    )
    assert formation[0]["docker_image"] == {"id": image}
    newest = heroku.get(f"/apps/{app}/releases")[-1]
    assert (newest["status"], newest["description"]) == ("failed", "Deployed web (abababababab)")
    assert "cannot be run here" in heroku.logs(app)
    assert heroku.get(f"/apps/{app}/releases/{running['version']}")["current"] is True
