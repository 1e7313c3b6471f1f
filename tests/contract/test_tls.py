"""Certificates: verified unless told otherwise, alike for every strategy."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer

from downloader import NetworkError, TLSError
from tests.support.fetching import Fetch
from tests.support.files import names_in
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, tmp_path: Path) -> Iterator[HTTPServer]:
    """A server with a certificate for 127.0.0.1 and localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    authority.configure_trust(context)
    with HTTPServer("127.0.0.1", 0, ssl_context=context) as server:
        server.expect_request("/a").respond_with_data(b"secret")
        yield server


def test_unknown_authority_is_a_tls_error(fetch: Fetch, secure: HTTPServer) -> None:
    report = fetch([secure.url_for("/a")])
    assert isinstance(report.failed[0].error, TLSError)
    assert report.failed[0].attempts == 1


def test_authority_can_be_given(fetch: Fetch, secure: HTTPServer, authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    assert fetch([secure.url_for("/a")], cacert=str(tmp_path / "ca.pem")).done == 1
    assert (fetch.folder / "a").read_bytes() == b"secret"


def test_verification_can_be_turned_off(fetch: Fetch, secure: HTTPServer) -> None:
    assert fetch([secure.url_for("/a")], insecure=True).done == 1


def test_connection_that_was_cut_is_no_end_of_a_body(fetch: Fetch, authority: trustme.CA, tmp_path: Path) -> None:
    """Without Content-Length, only close_notify tells the end (RFC 9112 section 9.8); anybody can send a FIN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def cut() -> None:
        sock, _ = listener.accept()
        secure = context.wrap_socket(sock, server_side=True)
        secure.recv(65536)
        secure.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of the fi")
        raw = socket.socket(fileno=secure.detach())
        raw.close()

    thread = threading.Thread(target=cut)
    thread.start()
    report = fetch([f"https://127.0.0.1:{listener.getsockname()[1]}/a"], cacert=str(tmp_path / "ca.pem"), retries=0)
    thread.join()
    listener.close()
    assert isinstance(report.failed[0].error, NetworkError)
    assert names_in(fetch.folder) == []


def test_the_given_authority_holds_for_a_proxy_too(fetch: Fetch, authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    asked: list[bytes] = []

    def proxy() -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as secure:
            asked.append(secure.recv(65536))
            secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nby TLS!")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=proxy, daemon=True)
        thread.start()
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        report = fetch(["http://files.example/a"], proxy=address, cacert=str(tmp_path / "ca.pem"), retries=0)
        assert [str(result.error) for result in report.failed] == []
        thread.join()
    assert asked[0].startswith(b"GET http://files.example/a HTTP/1.1\r\n")
    assert (fetch.folder / "a").read_bytes() == b"by TLS!"


def test_client_certificate_is_shown(fetch: Fetch, authority: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = authority.issue_cert("me@example.org")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    ours.private_key_pem.write_to_path(tmp_path / "key.pem")
    with HTTPServer("127.0.0.1", 0, ssl_context=context) as server:
        server.expect_request("/a").respond_with_data(b"secret")
        settings = {"cacert": str(tmp_path / "ca.pem"), "cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
        assert fetch([server.url_for("/a")], **settings).done == 1
