"""Every strategy verifies files by what is known of them, records digests, and fetches wrong pieces again and nothing else."""

import base64
import hashlib

import blake3
import pytest

import downloader
from downloader import Checksum, Download, IntegrityError, Pieces, Status, WrongPieces
from downloader.strategies.registry import find
from downloader.testserver import content
from tests.support import processing_functions
from tests.support.fetching import Fetch, only_error
from tests.support.files import files_below
from tests.support.scripted import Connection, MakeServer, RecordedRequest, Script, reply, serve
from tests.support.strategies import quick_for_each_transport

pytestmark = quick_for_each_transport

BODY = content.body(7, 0, 5000)
BIG = content.body(8, 0, 3_000_000)
PIECE = 1 << 16
ETAG = '"one"'


def digest_of(body: bytes, algorithm: str = "sha256") -> Checksum:
    """The Checksum of a body."""
    return Checksum(algorithm, hashlib.new(algorithm, body).hexdigest())


def pieces_of(body: bytes, length: int = PIECE) -> Pieces:
    """The SHA-256 digests of the pieces of a body."""
    return Pieces("sha256", length, tuple(digest_of(body[at : at + length]).digest for at in range(0, len(body), length)))


def damaged(body: bytes, *places: int) -> bytes:
    """The body with other bytes at these places."""
    changed = bytearray(body)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def wrong_at_first(body: bytes, wrong: bytes, **fields: str) -> Script:
    """Answer whole requests with the wrong body, and requests for a range with the right bytes."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        serve(wrong if request.range_of(len(body)) is None else body, **fields)(connection, request)

    return script


# --- pieces


def test_only_the_wrong_piece_is_fetched_again(fetch: Fetch, scripted: MakeServer) -> None:
    place = 5 * PIECE + 7
    server = scripted(wrong_at_first(BIG, damaged(BIG, place), ETag=ETAG))
    listed = Download(f"{server.url}/a", checksums=(digest_of(BIG),), pieces=pieces_of(BIG))
    (result,) = fetch([listed], segments=1).results
    assert (result.status, result.verified, result.attempts) == (Status.DONE, True, 2)
    assert (fetch.folder / "a").read_bytes() == BIG
    assert result.received == len(BIG) + PIECE
    first, second = server.requests
    assert "range" not in first.headers
    assert (second.headers["range"], second.headers["if-range"]) == (f"bytes={5 * PIECE}-{6 * PIECE - 1}", ETAG)
    assert files_below(fetch.folder) == ["a"]


@pytest.mark.parametrize("size", [5000, 3_000_000])
def test_a_file_with_pieces_and_without_a_checksum_is_verified_by_them(fetch: Fetch, scripted: MakeServer, size: int) -> None:
    body, length = content.body(3, 0, size), size // 10 + 1
    last = size - 1
    server = scripted(wrong_at_first(body, damaged(body, 0, last), ETag=ETAG))
    (result,) = fetch([Download(f"{server.url}/a", pieces=pieces_of(body, length))], segments=1).results
    assert (result.status, result.verified) == (Status.DONE, True)
    assert (fetch.folder / "a").read_bytes() == body
    assert result.received == size + length + size - 9 * length
    assert [request.range_of(size) for request in server.requests] == [None, (0, length), (9 * length, size)]


def test_wrong_pieces_are_fetched_from_the_next_mirror(fetch: Fetch, scripted: MakeServer) -> None:
    bad = damaged(BIG, 0)
    server = scripted(serve(bad, ETag=ETAG))
    mirror = scripted(serve(BIG, ETag='"another"'))
    listed = Download(f"{server.url}/a", mirrors=(f"{mirror.url}/b",), checksums=(digest_of(BIG),), pieces=pieces_of(BIG))
    (result,) = fetch([listed], segments=1).results
    assert (result.status, result.verified, result.received) == (Status.DONE, True, len(BIG) + PIECE)
    assert [request.range_of(len(BIG)) for request in mirror.requests] == [(0, PIECE)]
    assert (fetch.folder / "a").read_bytes() == BIG


def test_without_ranges_the_whole_file_is_fetched_again(fetch: Fetch, scripted: MakeServer) -> None:
    bad = damaged(BIG, 9)
    server = scripted(reply("200 OK", bad, ETag=ETAG), reply("200 OK", BIG, ETag=ETAG))
    (result,) = fetch([Download(f"{server.url}/a", pieces=pieces_of(BIG))], segments=1).results
    assert (result.status, result.received) == (Status.DONE, 2 * len(BIG))
    assert (fetch.folder / "a").read_bytes() == BIG


def test_without_a_validator_the_whole_file_is_fetched_again(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(reply("200 OK", damaged(BODY, 9)), reply("200 OK", BODY))
    (result,) = fetch([Download(f"{server.url}/a", pieces=pieces_of(BODY, 1000))]).results
    assert (result.status, result.received) == (Status.DONE, 2 * len(BODY))


def test_pieces_that_stay_wrong_fail_and_the_right_ones_are_kept_for_the_next_run(fetch: Fetch, scripted: MakeServer) -> None:
    listed_pieces = pieces_of(BIG)
    server = scripted(serve(damaged(BIG, 1, PIECE + 1), ETag=ETAG))
    report = fetch([Download(f"{server.url}/a", pieces=listed_pieces)], segments=1)
    assert isinstance(only_error(report), WrongPieces)
    assert f"{2 * PIECE} of {len(BIG)} bytes" in str(only_error(report))
    assert report.exit_code == 9
    assert files_below(fetch.folder) == ["a.part", "a.part.meta"]
    server.scripts = [serve(BIG, ETag=ETAG)]
    (result,) = fetch([Download(f"{server.url}/a", pieces=listed_pieces)], segments=1).results
    assert (result.status, result.verified, result.received) == (Status.DONE, True, 2 * PIECE)
    assert (fetch.folder / "a").read_bytes() == BIG


def test_pieces_of_another_file_are_an_integrity_error(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(serve(BODY, ETag=ETAG))
    report = fetch([Download(f"{server.url}/a", pieces=pieces_of(BIG))])
    assert type(only_error(report)) is IntegrityError
    assert files_below(fetch.folder) == []


def test_an_existing_file_is_verified_by_its_pieces(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(serve(BODY, ETag=ETAG))
    listed = Download(f"{server.url}/a", pieces=pieces_of(BODY, 1000))
    fetch.folder.mkdir()
    (fetch.folder / "a").write_bytes(BODY)
    (result,) = fetch([listed]).results
    assert (result.status, result.verified, server.requests) == (Status.SKIPPED, True, [])
    (fetch.folder / "a").write_bytes(damaged(BODY, 3))
    (result,) = fetch([listed]).results
    assert (result.status, result.verified) == (Status.DONE, True)
    assert (fetch.folder / "a").read_bytes() == BODY


# --- digests


@pytest.mark.parametrize("algorithm", ["sha256", "sha3-256", "blake3", "crc32c"])
def test_the_digest_of_each_file_is_recorded(fetch: Fetch, scripted: MakeServer, algorithm: str) -> None:
    server = scripted(serve(BODY), serve(BIG))
    report = fetch([f"{server.url}/a", f"{server.url}/b"], digest=algorithm, jobs=1)
    assert report.done == 2
    assert report.verified == 0
    for result in report.results:
        (found,) = result.digests
        assert found == expected_digest(algorithm, (fetch.folder / result.path).read_bytes())


def expected_digest(algorithm: str, body: bytes) -> Checksum:
    """The digest of a body, computed without the code under test where that is possible."""
    if algorithm == "blake3":
        return Checksum("blake3", blake3.blake3(body).hexdigest())
    if algorithm == "crc32c":
        return Checksum("crc32c", f"{crc32c(body):08x}")
    name = algorithm.replace("sha3-", "sha3_")
    return digest_of(body, name)


CRC_TABLE = []
for number in range(256):
    for _ in range(8):
        number = (number >> 1) ^ (0x82F63B78 if number & 1 else 0)  # RFC 3720 section 12.1, the polynomial reversed
    CRC_TABLE.append(number)


def crc32c(body: bytes) -> int:
    """CRC-32C, byte by byte."""
    crc = 0xFFFFFFFF
    for byte in body:
        crc = (crc >> 8) ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def test_what_was_verified_is_recorded_once(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(serve(BODY))
    listed = Download(f"{server.url}/a", checksums=(digest_of(BODY), digest_of(BODY, "md5")))
    (result,) = fetch([listed], digest="SHA-256").results
    assert (result.verified, result.digests) == (True, (digest_of(BODY), digest_of(BODY, "md5")))


def test_a_resumed_file_and_a_split_file_have_the_digest_of_the_whole(fetch: Fetch, scripted: MakeServer) -> None:
    def cut_once(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", BIG[:2_000_000], len(BIG), ETag=ETAG, Accept_Ranges="bytes"))
        connection.sock.close()

    server = scripted(cut_once, serve(BIG, ETag=ETAG))
    (result,) = fetch([f"{server.url}/a"], digest="sha256", segments=1).results
    assert (result.attempts, result.digests) == (2, (digest_of(BIG),))
    segments = 4 if find(fetch.strategy).capabilities.segments else 1
    report = fetch([f"{server.url}/b"], digest="sha256", segments=segments, min_segment_size=100_000, jobs=4)
    (result,) = report.results
    assert result.digests == (digest_of(BIG),)


def test_a_file_that_is_skipped_has_a_digest_only_if_it_was_read(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(serve(BODY))
    fetch.folder.mkdir()
    (fetch.folder / "a").write_bytes(BODY)
    (result,) = fetch([f"{server.url}/a"], digest="sha256").results
    assert (result.status, result.digests) == (Status.SKIPPED, ())
    listed = Download(f"{server.url}/a", checksums=(digest_of(BODY, "md5"),))
    (result,) = fetch([listed], digest="sha256").results
    assert (result.status, result.digests) == (Status.SKIPPED, (digest_of(BODY, "md5"), digest_of(BODY)))


def test_an_unknown_algorithm_is_refused_before_the_start(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(serve(BODY))
    with pytest.raises(downloader.UsageError, match="--digest: unknown kind of checksum: 'sha-257'"):
        fetch([f"{server.url}/a"], digest="sha-257")
    assert server.requests == []


# --- what a server announces


def field_of(body: bytes, algorithm: str = "sha-256") -> str:
    """A Repr-Digest that says the digest of a body."""
    raw = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{base64.b64encode(raw).decode()}:"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Repr-Digest", field_of(BODY)),
        ("Content-Digest", f"{field_of(BODY, 'sha-512')}, {field_of(BODY)}"),
        ("Digest", f"SHA-256={base64.b64encode(hashlib.sha256(BODY).digest()).decode()}"),
        ("Digest", f"md5={hashlib.md5(BODY).hexdigest()}"),
    ],
)
def test_the_digest_that_a_server_announces_is_verified_and_recorded(
    fetch: Fetch, scripted: MakeServer, name: str, value: str
) -> None:
    server = scripted(serve(BODY, **{name: value}))
    (result,) = fetch([f"{server.url}/a"]).results
    assert (result.verified, len(result.digests)) == (True, 1)
    assert result.digests[0] == digest_of(BODY, result.digests[0].algorithm)
    server.scripts = [serve(damaged(BODY, 0), **{name: value})]
    report = fetch([f"{server.url}/b"])
    assert type(only_error(report)) is IntegrityError
    assert files_below(fetch.folder) == ["a"]


def test_the_digest_of_a_part_is_not_that_of_the_file(fetch: Fetch, scripted: MakeServer) -> None:
    def cut_once(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", BIG[:2_000_000], len(BIG), ETag=ETAG, Content_Digest=field_of(BIG)))
        connection.sock.close()

    def rest(connection: Connection, request: RecordedRequest) -> None:
        span = request.range_of(len(BIG))
        part = BIG[slice(*span)] if span else BIG
        serve(BIG, ETag=ETAG, Content_Digest=field_of(part))(connection, request)

    server = scripted(cut_once, rest)
    (result,) = fetch([f"{server.url}/a"], segments=1).results
    assert (result.attempts, result.verified, result.digests) == (2, True, (digest_of(BIG),))


def test_a_processed_file_has_the_digest_of_what_the_function_has_left(fetch: Fetch, scripted: MakeServer) -> None:
    server = scripted(serve(BODY))
    listed = Download(f"{server.url}/a", checksums=(digest_of(BODY),))
    (result,) = fetch([listed], digest="md5", process=processing_functions.grows).results
    assert (fetch.folder / "a").read_bytes() == BODY + b"more"
    assert (result.verified, result.digests) == (True, (digest_of(BODY + b"more", "md5"),))


# --- checksums beside the files


def folder_of(files: dict[str, bytes]) -> Script:
    """Answer with these files by their paths, and with 404 for all others."""

    def script(connection: Connection, request: RecordedRequest) -> None:
        body = files.get(request.path)
        connection.send(reply("404 Not Found", b"<html>no</html>") if body is None else reply("200 OK", body))

    return script


def test_checksums_are_found_beside_the_files(fetch: Fetch, scripted: MakeServer) -> None:
    names = [f"/d/{number}.bin" for number in range(6)]
    files = {name: name.encode() * 100 for name in names}
    sums = "".join(f"{digest_of(body).digest}  {name[3:]}\n" for name, body in files.items()).encode()
    server = scripted(folder_of({**files, "/d/SHA256SUMS": sums}))
    report = fetch([server.url + name for name in names], find_checksums=True)
    assert (report.done, report.verified, report.without_checksum) == (6, 6, 0)
    assert sorted(request.path for request in server.requests) == sorted(["/d/SHA256SUMS", *names])
    assert server.requests[0].path == "/d/SHA256SUMS"
    assert files_below(fetch.folder) == [f"{number}.bin" for number in range(6)]
    again = fetch([server.url + name for name in names], find_checksums=True)
    assert (again.skipped, again.verified) == (6, 6)
    assert len(server.requests) == 8


def test_a_file_that_does_not_match_the_checksum_beside_it_fails(fetch: Fetch, scripted: MakeServer) -> None:
    good = digest_of(b"good").digest.encode()
    server = scripted(folder_of({"/a": b"good", "/a.sha256": good, "/b": b"bad", "/b.sha256": good + b"  b\n"}))
    report = fetch([f"{server.url}/a", f"{server.url}/b"], find_checksums=True)
    assert (report.done, report.verified) == (1, 1)
    assert type(only_error(report)) is IntegrityError
    assert files_below(fetch.folder) == ["a"]


@pytest.mark.parametrize("answer", [reply("200 OK", b"<html>log in</html>"), reply("500 Oops"), reply("403 No")])
def test_a_file_without_a_checksum_beside_it_is_fetched_and_counted(fetch: Fetch, scripted: MakeServer, answer: bytes) -> None:
    def script(connection: Connection, request: RecordedRequest) -> None:
        connection.send(reply("200 OK", BODY) if request.path == "/a" else answer)

    server = scripted(script)
    report = fetch([f"{server.url}/a"], find_checksums=True)
    assert (report.done, report.verified, report.without_checksum) == (1, 0, 1)
    required = fetch([f"{server.url}/a"], find_checksums=True, require_checksums=True, on_exists="overwrite")
    assert type(only_error(required)) is downloader.PolicyError


def test_the_guards_are_for_the_files_of_the_list_only(fetch: Fetch, scripted: MakeServer) -> None:
    def script(connection: Connection, request: RecordedRequest) -> None:
        if request.path == "/a":
            connection.send(reply("200 OK", BODY, Content_Type="image/png"))
        else:
            connection.send(reply("200 OK", digest_of(BODY).digest.encode() + b"  a\n", Content_Type="text/plain"))

    server = scripted(script)
    report = fetch([f"{server.url}/a"], find_checksums=True, min_size=1000, expect_type=["image/*"])
    assert (report.done, report.verified) == (1, 1)


def test_a_huge_file_of_checksums_is_not_read_to_its_end(fetch: Fetch, scripted: MakeServer) -> None:
    def script(connection: Connection, request: RecordedRequest) -> None:
        if request.path == "/a":
            connection.send(reply("200 OK", BODY))
        elif request.path != "/SHA256SUMS":
            connection.send(reply("404 Not Found"))
        else:
            connection.send(reply("200 OK", digest_of(BODY).digest.encode() + b"  a\n", length=1 << 40))
            while connection.send(b"#" * 65535 + b"\n"):
                pass

    server = scripted(script)
    report = fetch([f"{server.url}/a"], find_checksums=True)
    assert (report.done, report.verified) == (1, 1)


def test_a_cut_file_of_checksums_is_asked_for_again(fetch: Fetch, scripted: MakeServer) -> None:
    sums = f"{digest_of(BODY).digest}  a\n".encode()
    server = scripted(reply("200 OK", sums[:-2], len(sums)), reply("200 OK", sums), reply("200 OK", BODY))
    report = fetch([f"{server.url}/a"], find_checksums=True)
    assert (report.done, report.verified) == (1, 1)
    assert [request.path for request in server.requests] == ["/SHA256SUMS", "/SHA256SUMS", "/a"]
