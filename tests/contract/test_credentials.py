"""A user and a bearer token, under every strategy: sent to the hosts of the list's own URLs, and to no other."""

from collections.abc import Callable

import pytest

from tests.conftest import Fetch
from tests.scripted import ScriptedServer, reply

Make = Callable[..., ScriptedServer]
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
    scripted: Make,
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
    assert [asked.headers.get("authorization") for asked in server.asked] == [sent, sent]
    assert [asked.headers.get("authorization") for asked in other.asked] == [None]
