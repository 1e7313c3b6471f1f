"""From URLs, wishes and headers to safe names, and what a URL is called in public."""

from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from downloader.core import text as texts
from downloader.core.model import Download
from downloader.core.names.claimed_paths import ClaimedPaths
from downloader.core.names.file_names import name_from_url, numbered, part_names, safe_component, wished_path, with_digest
from downloader.core.names.templates import Template
from downloader.core.names.urls import clean_url, host_of, origin_of, public_url
from downloader.core.text import printable
from downloader.errors import PolicyError, UsageError
from tests.support.names import BIDI, TEXT, is_safe


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://example.org", "http://example.org/"),
        ("https://example.org/a/b?c=d&e=%20", "https://example.org/a/b?c=d&e=%20"),
        ("  https://example.org/a \t", "https://example.org/a"),
        ("HTTPS://Example.ORG/Path", "https://example.org/Path"),
        ("http://example.org:65535/x", "http://example.org:65535/x"),
        ("http://example.org:/x", "http://example.org/x"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("http://[2001:DB8::1]/x", "http://[2001:db8::1]/x"),
        ("http://example.org/a b", "http://example.org/a%20b"),
        ("http://example.org/ä?ö=ü", "http://example.org/%C3%A4?%C3%B6=%C3%BC"),
        ("http://example.org/100%25", "http://example.org/100%25"),
        ("http://example.org/a#part", "http://example.org/a"),
        ("http://example.org/a?b#part", "http://example.org/a?b"),
        ("http://example.org?a", "http://example.org/?a"),
        ('http://example.org/"<>\\^`{|}', "http://example.org/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("http://example.org/[1]!$&'()*+,;=:@~", "http://example.org/[1]!$&'()*+,;=:@~"),
        ("http://bücher.example/x", "http://xn--bcher-kva.example/x"),
        ("http://user:p%40ss@example.org/x", "http://user:p%40ss@example.org/x"),
        ("http://user:pä@example.org/x", "http://user:p%C3%A4@example.org/x"),
        ("http://a@b@example.org/x", "http://a@b@example.org/x"),
        ("http://example.org/\U0001f600", "http://example.org/%F0%9F%98%80"),
    ],
)
def test_a_good_url_is_cleaned(text: str, url: str) -> None:
    assert clean_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "example.org/file",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "javascript:alert(1)",
        "http:",
        "http:/",
        "http://",
        "http:///path",
        "http://?query",
        "http://:80/",
        "http://user@/x",
        "//example.org/x",
        "http://exa mple.org/",
        "http://exa\x00mple.org/",
        "http://example.org:x/",
        "http://example.org:65536/",
        "http://example.org:-1/",
        "http://[::1/",
        "http://[]/",
        "http://ex<ample.org/",
        "http://example.org\\@evil.example/",
        f"http://{'ü' * 64}.example/",
        "http://ü..example/",
        "http://example.org/\ud800",
        "http://\ud800.example/",
        "nonsense \ud800",
    ],
)
def test_what_is_no_http_url_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        clean_url(text)


@given(TEXT | st.text(alphabet="htps:/@.?#[]%ab1 é\\", max_size=30).map("http://".__add__))
def test_a_cleaned_url_is_printable_ascii_and_stays_the_same(text: str) -> None:
    try:
        url = clean_url(text)
    except UsageError:
        return
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert "#" not in url
    assert url.startswith(("http://", "https://"))
    assert host_of(url)
    assert clean_url(url) == url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://example.org/x", "http://example.org/x"),
        ("http://user:secret@example.org/x", "http://example.org/x"),
        ("http://user@example.org", "http://example.org"),
        ("http://a@b:secret@example.org/x@y", "http://example.org/x@y"),
        ("http://example.org/x@y", "http://example.org/x@y"),
        ("http://example.org?to=a@b", "http://example.org?to=a@b"),
        ("user:secret@example.org/x", "example.org/x"),
        ("https://b.example/k?X-Amz-Signature=abc&part=1", "https://b.example/k?X-Amz-Signature=***&part=1"),
        ("https://b.example/k?a=1&TOKEN=abc&sig=def&b=", "https://b.example/k?a=1&TOKEN=***&sig=***&b="),
        ("https://b.example/k?access%5Ftoken=abc", "https://b.example/k?access%5Ftoken=***"),
        ("https://b.example/k?token=", "https://b.example/k?token=***"),
        ("https://b.example/k?tokens=abc&x=token", "https://b.example/k?tokens=abc&x=token"),
        ("https://u:p@b.example/k?api_key=abc", "https://b.example/k?api_key=***"),
        (f"https://b.example/k?n=1&key=AIza{'x' * 35}", "https://b.example/k?n=1&key=***"),
        ("https://b.example/k?key=photos/a.jpg&key=AIzaSmall", "https://b.example/k?key=photos/a.jpg&key=AIzaSmall"),
    ],
)
def test_a_url_is_shown_without_what_is_secret_in_it(url: str, shown: str) -> None:
    assert public_url(url) == shown


SECRET_KEYS = """access_token api_key apikey auth password passwd secret sig signature token X-Amz-Signature X-Goog-Signature
    api-key api_token access_key auth_token subscription-key x-api-key jwt"""


@pytest.mark.parametrize("key", SECRET_KEYS.split())
@pytest.mark.parametrize("change", [str, str.lower, str.upper])
def test_each_well_known_secret_of_a_query_is_masked_in_any_case(key: str, change: type[str]) -> None:
    assert public_url(f"https://h.example/?a=b&{change(key)}=hunter2&c=d") == f"https://h.example/?a=b&{change(key)}=***&c=d"


@pytest.mark.parametrize("key", ["api-key", "jwt", "Auth_Token"])
def test_names_of_files_are_those_of_earlier_versions(key: str) -> None:
    url = f"https://h.example/a?{key}=x&token=y"
    assert public_url(url) == f"https://h.example/a?{key}=***&token=***"
    assert public_url(url, in_name=True) == f"https://h.example/a?{key}=x&token=***"
    assert Template("{name}-{query}").path_of(Download(url), 1) == f"a-{key}=x&token=***"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(st.characters(exclude_categories=["Cs"])))
def test_no_password_is_ever_shown(password: str, user: str) -> None:
    userinfo = f"{quote(user, safe='')}:{quote(password, safe='')}"
    url = f"https://{userinfo}@example.org/x?sig={quote(password, safe='')}&n=1"
    assert public_url(url) == public_url(clean_url(url)) == "https://example.org/x?sig=***&n=1"


@pytest.mark.parametrize(
    "text",
    [
        "ftp://user:hunter2@example.org/x",
        "http://user:hunter2@exa mple.org/x",
        "http://user:hunter2@example.org:port/x",
        "http://user:hunter2@[::1/x",
        "user:hunter2@example.org/x",
        "http:\\\\user:hunter2@example.org/x",
        "//user:hunter2@example.org/x",
        "http:/user:hunter2@example.org/x",
        "http:///user:hunter2@example.org/x",
        "http://user:hunter2/3@example.org/x",
        "http://user:hunter2?3@example.org/x",
        "http://user:hunter2#3@example.org/x",
    ],
)
def test_the_password_of_a_malformed_url_is_not_in_the_message(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        clean_url(text)
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ftp://user:hunter2@example.org/x", "ftp://example.org/x"),
        ("ftp://example.org/x?token=hunter2", "ftp://example.org/x?token=***"),
        ("example.org/x", "example.org/x"),
    ],
)
def test_the_message_about_a_malformed_url_shows_the_rest_of_it(text: str, shown: str) -> None:
    with pytest.raises(UsageError) as caught:
        clean_url(text)
    assert caught.value.url == shown


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Example.org/x", "example.org"),
        ("http://user:p@example.org:8080/a@b", "example.org:8080"),
        ("http://example.org?a@b", "example.org"),
        ("http://[::1]:80/x", "[::1]:80"),
    ],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Example.org/x", ("http", "example.org", 80)),
        ("https://u:p@example.org/x", ("https", "example.org", 443)),
        ("https://example.org:443", ("https", "example.org", 443)),
        ("http://[::1]:8080/x", ("http", "::1", 8080)),
    ],
)
def test_the_origin_of_a_url_has_a_port(url: str, origin: tuple[str, str, int]) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("last", "name"),
    [
        ("file.bin", "file.bin"),
        ("dir/file.bin?x=/y#z/w", "file.bin"),
        ("a%20b.txt", "a b.txt"),
        ("%E2%82%AC.txt", "€.txt"),
        ("a%252Fb", "a%2Fb"),
        ("%2500", "%00"),
        ("a%2Fb", "b"),
        ("a%5Cb", "b"),
        ("%2e%2e%2f%2e%2e%2fetc%2fpasswd", "passwd"),
        ("..%5c..%5cboot.ini", "boot.ini"),
        ("..", "example.org-index.html"),
        ("%2e%2e", "example.org-index.html"),
        ("a/%2e", "example.org-index.html"),
        ("a/..%2f", "example.org-index.html"),
        ("a/%20", "example.org-index.html"),
        ("", "example.org-index.html"),
        ("dir/", "example.org-index.html"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("aux%20.txt", "_aux .txt"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("lpt%C2%B9", "_lpt¹"),
        ("console.txt", "console.txt"),
        ("com10", "com10"),
        ("name...", "name"),
        ("name.%20.%20", "name"),
        ("%20name", "name"),
        (".bashrc", ".bashrc"),
        ("a%00b", "a_b"),
        ("a%0d%0ab", "a__b"),
        ("%1b[31m", "_[31m"),
        ("%E2%80%AEgpj.exe", "_gpj.exe"),
        ("%FF.txt", "\ufffd.txt"),
        ("e%CC%81.txt", "é.txt"),
        ("x.part", "x.part_"),
        ("x.PART", "x.PART_"),
        ("x.part.meta", "x.part.meta_"),
        ("x.Part.Meta", "x.Part.Meta_"),
        ("x.part.", "x.part_"),
        (".part", ".part_"),
        ("x.partial", "x.partial"),
        ("l" * 300 + ".tar.gz", "l" * 248 + ".tar.gz"),
        ("l" * 300, "l" * 255),
        ("l" * 300 + "." + "e" * 30, "l" * 255),
        ("%C3%A9" * 200 + ".txt", "é" * 125 + ".txt"),
        ("-rf", "-rf"),
        ("~root", "~root"),
    ],
)
def test_the_name_in_a_url_is_its_last_segment_made_safe(last: str, name: str) -> None:
    assert name_from_url(f"https://example.org/{last}") == name
    assert is_safe(name)


@pytest.mark.parametrize("url", ["https://example.org", "https://example.org?a=/b", "https://u:p@example.org:8080?x"])
def test_a_url_without_a_path_is_named_after_its_host(url: str) -> None:
    assert name_from_url(url) == "example.org-index.html"


@given(TEXT)
def test_the_name_of_any_url_is_safe(text: str) -> None:
    last = quote(text.encode("utf-8", "surrogatepass"), safe="/\\?#")
    assert is_safe(name_from_url(f"https://example.org/{last}"))


@settings(max_examples=500)
@given(TEXT)
@example("a" * 251 + "\u0301é.txt")
@example("\U0001f600" * 70)
@example(("ü" * 200) + ". . .")
@example("con" + " " * 300 + ".txt")
@example("a" * 254 + " b" * 20)
@example("a" * 254 + ". b" * 20)
@example("a" * 254 + ".b" * 20 + "c" * 30)
@example("a" * 240 + ".tar." + "b" * 24)
def test_any_text_becomes_one_safe_component_and_stays_it(text: str) -> None:
    name = safe_component(text)
    assert is_safe(name)
    assert safe_component(name) == name


@pytest.mark.parametrize("suffix", [".part", ".part.meta", ".PART"])
def test_a_long_name_is_not_cut_into_the_name_of_a_part_file(suffix: str) -> None:
    name = safe_component("a" * (255 - len(suffix)) + suffix + "b" * 30)
    assert is_safe(name)
    assert safe_component(name) == name


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        ("", "a.txt", "a.txt"),
        ("", "a/b.txt", "a/b.txt"),
        ("d", "a.txt", "d/a.txt"),
        ("d/e/", "./a//b", "d/e/a/b"),
        ("d\\e", "a\\b", "d/e/a/b"),
        ("", "", ""),
        ("", "con/nul.txt", "_con/_nul.txt"),
        ("x.part", "y.part", "x.part_/y.part_"),
        ("", "...", "_"),
        ("", "C:", "C:"),
        ("", "a~", "a~"),
    ],
)
def test_out_and_dir_make_one_relative_path(folder: str, name: str, path: str) -> None:
    assert wished_path(folder, name) == path


def test_without_out_the_path_is_empty() -> None:
    assert wished_path("a", "") == ""


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("", "/etc/passwd"),
        ("", "\\windows"),
        ("", "~/x"),
        ("", "~root"),
        ("", "C:\\x"),
        ("", "c:/x"),
        ("/", "x"),
        ("~", "x"),
        ("d", "/x"),
        ("", ".."),
        ("", "../x"),
        ("", "a/../../x"),
        ("", "a\\..\\x"),
        ("..", "x"),
        ("", "a/.. /x"),
        ("", " .."),
    ],
)
def test_out_and_dir_that_leave_the_folder_are_refused(folder: str, name: str) -> None:
    with pytest.raises(PolicyError):
        wished_path(folder, name)


@given(TEXT, TEXT)
def test_out_and_dir_never_leave_the_folder(folder: str, name: str) -> None:
    try:
        path = wished_path(folder, name)
    except PolicyError:
        return
    if path:
        assert all(is_safe(part) for part in path.split("/"))
    else:
        assert name == "" or not set(folder + name) - set("./\\"), "something was wished for, and got no path"


URL = "https://example.org/file"
SAFE = TEXT.map(safe_component)


@given(SAFE, st.integers(1, 32))
def test_a_digest_leaves_a_safe_name_safe_and_its_extension_alone(name: str, digits: int) -> None:
    path = with_digest(f"some/folder/{name}", URL, digits)
    folder, _, renamed = path.rpartition("/")
    assert folder == "some/folder"
    assert is_safe(renamed)
    assert renamed != name
    assert path == with_digest(f"some/folder/{name}", URL, digits)
    assert path != with_digest(f"some/folder/{name}", URL + "2", 32)


@given(SAFE, st.integers(1, 999_999))
def test_a_number_leaves_a_safe_name_safe(name: str, number: int) -> None:
    renamed = numbered(name, number)
    assert is_safe(renamed)
    assert renamed != name
    assert f".{number}" in renamed


@pytest.mark.parametrize(
    ("name", "with_number"),
    [
        ("a.txt", "a.1.txt"),
        ("a.tar.gz", "a.1.tar.gz"),
        ("a", "a.1"),
        (".bashrc", ".bashrc.1"),
        ("a.b.c", "a.b.1.c"),
        ("x" * 251 + ".txt", "x" * 249 + ".1.txt"),
        ("x" * 255, "x" * 253 + ".1"),
        ("ü" * 127, "ü" * 126 + ".1"),
    ],
)
def test_a_number_goes_before_the_extension_and_shortens_the_stem(name: str, with_number: str) -> None:
    assert numbered(name, 1) == with_number


def test_a_digest_goes_before_the_extension_and_is_that_of_the_url() -> None:
    one, other = with_digest("d/a.tar.gz", URL), with_digest("d/a.tar.gz", URL + "?2")
    assert one.startswith("d/a-")
    assert one.endswith(".tar.gz")
    assert len(one) == len("d/a.tar.gz") + 9
    assert one != other


@given(SAFE, SAFE)
def test_part_names_fit_and_collide_with_no_other_name(name: str, other: str) -> None:
    names = part_names(name)
    assert all(len(item.encode()) <= 255 for item in names)
    assert all(safe_component(item) != item for item in names)
    assert len({*names, name}) == 3
    if name != other:
        assert not set(names) & set(part_names(other))


@pytest.mark.parametrize("length", [244, 245, 246, 255])
def test_two_long_names_that_begin_alike_have_part_files_of_their_own(length: int) -> None:
    one, other = "x" * (length - 1) + "1", "x" * (length - 1) + "2"
    assert not set(part_names(one)) & set(part_names(other))
    assert all(len(item) <= 255 for item in part_names(one))


def test_part_files_of_ordinary_names_are_recognised() -> None:
    assert part_names("a.bin") == ("a.bin.part", "a.bin.part.meta")


@given(TEXT)
def test_printable_text_has_no_control_characters(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not set(shown) & (set(BIDI) | texts._BIDI)
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("Grüße 名前", "Grüße 名前"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb\r", "a\\nb\\r"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_url_is_known_again_after_thousands_of_others() -> None:
    names = ClaimedPaths()
    urls = [f"https://example.org/{number}" for number in range(5000)]
    for number, url in enumerate(urls):
        assert names.claim(f"{number}.bin", url) == f"{number}.bin"
    assert [names.claim(f"{number}.bin", url) for number, url in enumerate(urls)] == [None] * 5000
    assert names.claim("7.bin", "https://example.org/other") == with_digest("7.bin", "https://example.org/other")
