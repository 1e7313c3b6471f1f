"""A user and a bearer token, under every strategy: sent to the hosts of the list's own URLs, and to no other."""

import pytest

from tests.support.fetching import Fetch
from tests.support.scripted import MakeServer, reply
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

BASIC = "Basic bWU6cDpzcw=="  # me:p:ss


@pytest.mark.parametrize(
    ("settings", "environment", "sent"),
    [
        ({"user": "me:p:ss"}, {}, BASIC),
        ({"user": "me"}, {"DL_PASSWORD": "p:ss"}, BASIC),
        ({"bearer_env": "MY_TOKEN"}, {"MY_TOKEN": "t0ken\n"}, "Bearer t0ken"),
    ],
    ids=["user with password", "user", "token"],
)
def test_authorization_stays_with_the_hosts_of_the_list(
    fetch: Fetch,
    scripted: MakeServer,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    environment: dict[str, str],
    sent: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    other = scripted(reply("200 OK", b"there"))
    server = scripted(
        reply("302 Found", Location="/b"),
        reply("302 Found", Location=f"{other.url}/c"),
    )
    assert fetch([f"{server.url}/a"], **settings).done == 1
    assert [request.headers.get("authorization") for request in server.requests] == [sent, sent]
    assert [request.headers.get("authorization") for request in other.requests] == [None]
