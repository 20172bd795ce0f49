"""The driver and its wire: who may use which session, and what can be run."""

from __future__ import annotations

from msgspec.structs import replace

from roadworthy.config import Limits
from roadworthy.model import Package
from roadworthy.platforms.heroku.api import Api
from roadworthy.platforms.heroku.driver import Heroku
from roadworthy.wait import side_by_side


def test_each_thread_has_a_session_of_its_own_with_the_key_and_a_timeout():
    api = Api("https://api.example", "k", Limits())
    sessions = [api._own.session, *side_by_side([lambda: api._own.session] * 2)]
    assert len({id(session) for session in sessions}) == 3
    assert {session.auth for session in sessions} == {("", "k")}
    assert {session.headers["Accept"] for session in sessions} == {"application/vnd.heroku+json; version=3"}
    assert not any(session.trust_env for session in sessions)
    assert api._own.session is sessions[0]


def test_an_image_of_several_platforms_is_not_accepted_and_any_other_package_is() -> None:
    driver = Heroku(
        "http://127.0.0.1:1", "key", limits=Limits(), poll=0.01, urls={}, registry="registry.test"
    )
    image = Package("c" * 40, "d" * 64, 1, kind="image", config=f"sha256:{'e' * 64}")
    assert driver.accepts("app", image) == driver.accepts("app", Package("c" * 40, "d" * 64, 1)) == ""
    several = driver.accepts("app", replace(image, config=""))
    assert (
        several.startswith("the image of cccccccccccc is for several platforms") and "commit again" in several
    )
