"""Which credentials go with a request, which stay behind at a redirect, and how they are read from files."""

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.http.credentials import NO_CREDENTIALS, Cookie, Credentials, kept_at_redirect, without_userinfo
from downloader.errors import UsageError
from downloader.sources import credential_files as files

NOW = 1_000_000.0
URL = "https://example.org/dir/file"


def cookie(
    domain: str = "example.org", *, subdomains: bool = False, path: str = "/", secure: bool = False, expires: float = 0
) -> Cookie:
    """A cookie ``a=1``."""
    return Cookie(domain, subdomains, path, secure, expires, "a", "1")


def basic(user: str, password: str) -> tuple[str, str]:
    """The header that says who we are: RFC 7617."""
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


@pytest.mark.parametrize(
    ("held", "url", "sent"),
    [
        # RFC 6265 section 5.1.3: domains
        (cookie(), "http://example.org/", True),
        (cookie("Example.ORG"), "http://example.org/", True),
        (cookie(), "http://EXAMPLE.org/", True),
        (cookie(), "http://example.org:8080/", True),
        (cookie(), "http://www.example.org/", False),
        (cookie(), "http://badexample.org/", False),
        (cookie(subdomains=True), "http://www.example.org/", True),
        (cookie(".example.org", subdomains=True), "http://www.example.org/", True),
        (cookie(".example.org", subdomains=True), "http://example.org/", True),
        (cookie(".example.org", subdomains=True), "http://a.b.example.org/", True),
        (cookie("example.org", subdomains=True), "http://badexample.org/", False),
        (cookie("example.org", subdomains=True), "http://example.org.evil.example/", False),
        (cookie("www.example.org", subdomains=True), "http://example.org/", False),
        (cookie("0.0.1", subdomains=True), "http://127.0.0.1/", False),
        (cookie("127.0.0.1", subdomains=True), "http://127.0.0.1/", True),
        (cookie("::1"), "http://[::1]/", True),
        # RFC 6265 section 5.1.4: paths
        (cookie(path="/"), "http://example.org", True),
        (cookie(path="/dir"), "http://example.org/dir", True),
        (cookie(path="/dir"), "http://example.org/dir/file", True),
        (cookie(path="/dir/"), "http://example.org/dir/file", True),
        (cookie(path="/dir"), "http://example.org/dir?x", True),
        (cookie(path="/dir"), "http://example.org/directory", False),
        (cookie(path="/dir/"), "http://example.org/dir", False),
        (cookie(path="/dir"), "http://example.org/", False),
        # Secure, and expiry
        (cookie(secure=True), "https://example.org/", True),
        (cookie(secure=True), "http://example.org/", False),
        (cookie(expires=NOW + 1), "http://example.org/", True),
        (cookie(expires=NOW), "http://example.org/", False),
        (cookie(expires=NOW - 1), "http://example.org/", False),
        (cookie(expires=0), "http://example.org/", True),
    ],
)
def test_a_cookie_goes_where_it_belongs(held: Cookie, url: str, sent: bool) -> None:
    expected = (("Cookie", "a=1"),) if sent else ()
    assert Credentials(cookies=(held,)).headers(url, NOW) == expected


def test_several_cookies_are_one_header() -> None:
    held = (
        cookie(),
        Cookie("other.example", False, "/", False, 0, "no", "2"),
        Cookie("example.org", True, "/", False, 0, "b", "3"),
    )
    assert Credentials(cookies=held).headers(URL, NOW) == (("Cookie", "a=1; b=3"),)


NETRC = (("example.org", "me", "pw"), ("", "anyone", "guest"))


@pytest.mark.parametrize(
    ("netrc", "url", "expected"),
    [
        (NETRC, "https://example.org/x", basic("me", "pw")),
        (NETRC, "https://EXAMPLE.org:8443/x", basic("me", "pw")),
        (NETRC, "https://other.example/x", basic("anyone", "guest")),
        (NETRC[:1], "https://other.example/x", None),
        (NETRC[:1], "https://www.example.org/x", None),
        ((), "https://example.org/x", None),
        (NETRC, "https://you:own@example.org/x", basic("you", "own")),
        ((), "https://you:own@example.org/x", basic("you", "own")),
        ((), "https://you@example.org/x", basic("you", "")),
        ((), "https://:only@example.org/x", basic("", "only")),
        ((), "https://y%40u:p%3Aw%2F%C3%A4@example.org/x", basic("y@u", "p:w/ä")),
        ((), "https://a@b:c:d@example.org/x", basic("a@b", "c:d")),
        ((), "https://example.org/mail@home", None),
        (NETRC, "https://example.org/mail@home", basic("me", "pw")),
    ],
)
def test_the_user_comes_from_the_url_then_netrc_then_its_default(
    netrc: tuple[tuple[str, str, str], ...], url: str, expected: tuple[str, str] | None
) -> None:
    assert Credentials(netrc=netrc).headers(url, NOW) == (() if expected is None else (expected,))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_a_quoted_user_and_password_arrive_as_they_were(user: str, password: str) -> None:
    user = user.replace(":", "")  # RFC 7617 section 2: a user-id has no colon
    url = f"https://{quote(user, safe='')}:{quote(password, safe='')}@example.org/"
    ((name, value),) = Credentials().headers(url, NOW)
    assert name == "Authorization"
    assert base64.b64decode(value.removeprefix("Basic ")).decode() == f"{user}:{password}"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://u:p@example.org/a@b?c", "https://example.org/a@b?c"),
        ("https://example.org/a@b", "https://example.org/a@b"),
        ("https://example.org/a", "https://example.org/a"),
        ("http://u@example.org", "http://example.org"),
        ("http://u:p@[::1]:80/x", "http://[::1]:80/x"),
        ("http://example.org?to=a@b", "http://example.org?to=a@b"),
        ("http://u:p@example.org?to=a@b", "http://example.org?to=a@b"),
    ],
)
def test_a_url_is_asked_for_without_its_user(url: str, asked: str) -> None:
    assert without_userinfo(url) == asked


OLD = "https://example.org/a"
PRIVATE = (
    ("Authorization", "Bearer x"),
    ("Proxy-Authorization", "Basic x"),
    ("Authorisation", "x"),
    ("COOKIE", "a=1"),
    ("Cookie2", "x"),
    ("Private-Token", "x"),
    ("X-Auth-Token", "x"),
    ("X-Api-Key", "x"),
    ("ApiKey", "x"),
    ("X-Client-Secret", "x"),
    ("X-Password", "x"),
    ("X-Auth-Key", "x"),
    ("X-Amz-Security-Token", "x"),
)
PUBLIC = (("User-Agent", "me"), ("Accept", "*/*"), ("Referer", "https://example.org/"), ("X-Custom", "1"))


@pytest.mark.parametrize(
    ("new", "same"),
    [
        ("https://example.org/b", True),
        ("https://EXAMPLE.org/b", True),
        ("https://example.org:443/b", True),
        ("https://u:p@example.org/b", True),
        ("http://example.org/b", False),
        ("http://example.org:443/b", False),
        ("https://example.org:8443/b", False),
        ("https://www.example.org/b", False),
        ("https://example.org.evil.example/b", False),
        ("https://example.org@evil.example/b", False),
    ],
)
def test_private_headers_stay_within_one_origin(new: str, same: bool) -> None:
    assert kept_at_redirect(PRIVATE + PUBLIC, OLD, new) == ((PRIVATE + PUBLIC) if same else PUBLIC)


def test_neither_repr_nor_str_shows_a_secret() -> None:
    held = Credentials(NETRC, (Cookie("example.org", True, "/", True, 0, "session", "hunter2"),))
    for text in (repr(held), str(held), f"{held}", repr([held])):
        assert text.strip("[]") == "Credentials(2 netrc entries, 1 cookies)"
    assert repr(NO_CREDENTIALS) == "Credentials(0 netrc entries, 0 cookies)"


def test_the_repr_of_a_cookie_does_not_show_its_value() -> None:
    assert "hunter2" not in repr(Cookie("example.org", True, "/", True, 0, "session", "hunter2"))


def test_a_netrc_file_is_read_with_its_default(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text(
        "machine Example.org login me password pw\nmachine b.example login you\ndefault login anyone password guest\n"
    )
    assert files.load(str(file), "").netrc == (
        ("example.org", "me", "pw"),
        ("b.example", "you", ""),
        ("", "anyone", "guest"),
    )


def test_no_files_no_credentials() -> None:
    assert files.load("", "") == NO_CREDENTIALS


def test_error_of_a_netrc_file_names_the_line_and_not_its_text(tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine example.org login me password hunter2\nhunter2\n")
    with pytest.raises(UsageError, match=r"malformed in line \d") as caught:
        files.load(str(file), "")
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("kind", ["netrc", "cookies"])
def test_a_missing_file_is_named(tmp_path: Path, kind: str) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(UsageError, match="No such file") as caught:
        files.load(**{"netrc": "", "cookies": "", kind: missing})
    assert missing in str(caught.value)


def test_the_default_netrc_file_is_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.default_netrc() == str(tmp_path / ".netrc")


def test_a_cookie_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(
        "# Netscape HTTP Cookie File\n\n"
        "example.org\tFALSE\t/\tFALSE\t0\ta\t1\n"
        "#HttpOnly_.b.example\tTRUE\t/dir\tTRUE\t1700000000\tb\t2\r\n"
        "c.example\tFALSE\t/\tFALSE\t\tc\t\n"
    )
    assert files.load("", str(file)).cookies == (
        Cookie("example.org", False, "/", False, 0.0, "a", "1"),
        Cookie(".b.example", True, "/dir", True, 1700000000.0, "b", "2"),
        Cookie("c.example", False, "/", False, 0.0, "c", ""),
    )


@pytest.mark.parametrize(
    "line", ["example.org FALSE / FALSE 0 a hunter2", "a\tb\thunter2", "h\tFALSE\t/\tFALSE\tlater\ta\thunter2"]
)
def test_a_malformed_cookie_is_named_by_its_line_without_its_text(tmp_path: Path, line: str) -> None:
    file = tmp_path / "cookies.txt"
    file.write_text(f"# comment\n{line}\n")
    with pytest.raises(UsageError) as caught:
        files.load("", str(file))
    assert f"{file}:2" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "first", "sent"),
    [
        (URL, "", "Bearer t"),
        ("https://example.org:443/other", URL, "Bearer t"),
        ("https://other.example/", "", "Bearer t"),  # each URL of the list is its own first
        ("https://other.example/", URL, None),
        ("http://example.org/", URL, None),
        ("https://example.org:8443/", URL, None),
        ("https://www.example.org/", URL, None),
        ("https://me:pw@example.org/", "", basic("me", "pw")[1]),
        ("https://named.example/", "", basic("n", "m")[1]),
        ("https://named.example/", URL, basic("n", "m")[1]),
    ],
)
def test_authorization_is_sent_to_the_first_origin_only(url: str, first: str, sent: str | None) -> None:
    held = Credentials((("named.example", "n", "m"), ("", "d", "e")), (), "Bearer t")
    assert dict(held.headers(url, NOW, first)).get("Authorization") == sent
    assert "Bearer" not in repr(held)


def test_user_without_a_password_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no password for the user me"):
        files.load("", "", "me")
    monkeypatch.setenv("DL_PASSWORD", "")
    assert files.load("", "", "me").headers(URL, NOW) == (basic("me", ""),)
    assert files.load("", "", "me:").headers(URL, NOW) == (basic("me", ""),)
    assert files.load("", "", "mé:p:ü").headers(URL, NOW) == (basic("mé", "p:ü"),)
