"""The wire to the API: who may use which session."""

from __future__ import annotations

from roadworthy.config import Limits
from roadworthy.platforms.heroku.api import Api
from roadworthy.wait import side_by_side


def test_each_thread_has_a_session_of_its_own_with_the_key_and_a_timeout():
    api = Api("https://api.example", "k", Limits())
    sessions = [api._own.session, *side_by_side([lambda: api._own.session] * 2)]
    assert len({id(session) for session in sessions}) == 3
    assert {session.auth for session in sessions} == {("", "k")}
    assert {session.headers["Accept"] for session in sessions} == {"application/vnd.heroku+json; version=3"}
    assert not any(session.trust_env for session in sessions)
    assert api._own.session is sessions[0]
