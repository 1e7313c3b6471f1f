"""The transport that blocks: what one Attempt leaves to the next on the same client."""

from collections.abc import Iterator

import pytest

from downloader.core.http.messages import Request
from downloader.transports.base import DRAIN_BYTES, ClientOptions
from downloader.transports.requests_client import BlockingClient
from tests.support.scripted import Connection, MakeServer, RecordedRequest, reply


@pytest.fixture
def client() -> Iterator[BlockingClient]:
    """A client, closed at the end."""
    made = BlockingClient(ClientOptions())
    yield made
    made.close()


def status(client: BlockingClient, url: str) -> int:
    """The status of the answer to a request."""
    head = client.send(Request(url, ()))
    assert head is not None, "interrupted"
    return head.status


def test_an_attempt_that_was_cut_does_not_end_the_next(client: BlockingClient, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", b"body"))
    client.begin()
    client.interrupt()
    assert client.send(Request(f"{server.url}/a", ())) is None
    client.begin()
    assert status(client, f"{server.url}/b") == 200
    assert client.read() == b"body"


def test_a_body_that_was_not_wanted_is_never_read_as_the_next_answer(client: BlockingClient, scripted: MakeServer) -> None:
    connections: list[int] = []

    def answers(connection: Connection, request: RecordedRequest) -> None:
        connections.append(connection.sock.getpeername()[1])
        if request.path == "/refused":
            connection.send(reply("404 Not Found", length=DRAIN_BYTES + 1))
            return
        late = b"x" * (DRAIN_BYTES + 1) if len(set(connections)) == 1 else b""
        connection.send(late + reply("200 OK", b"body"))

    server = scripted(answers)
    client.begin()
    assert status(client, f"{server.url}/refused") == 404
    client.drop(drain=True)
    client.begin()
    assert status(client, f"{server.url}/wanted") == 200
    assert client.read() == b"body"
