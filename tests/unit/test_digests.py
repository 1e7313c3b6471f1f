"""Algorithms: their names in every spelling, the length of their digests, and that each can be computed."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader import extras
from downloader.core import digests
from downloader.core.digests import HEX_DIGITS, algorithm, algorithm_by_length, checksum, hex_digits, parse_checksum, strength
from downloader.core.facts import Checksum, Pieces
from downloader.errors import UsageError
from downloader.storage.checksum import ChecksumVerifier
from downloader.storage.hashes import new_hash
from downloader.storage.piece_hashes import PieceHashes

SHA256 = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("md5", "md5"),
        ("sha", "sha1"),
        ("sha-1", "sha1"),
        ("SHA-224", "sha224"),
        (" sha256 ", "sha256"),
        ("sha-384", "sha384"),
        ("Sha512", "sha512"),
        ("SHA2-256", "sha256"),
        ("sha3-256", "sha3_256"),
        ("SHA3_512", "sha3_512"),
        ("BLAKE2b", "blake2b"),
        ("blake2b-512", "blake2b"),
        ("BLAKE2b-256", "blake2b-256"),
        ("blake2s256", "blake2s"),
        ("blake2s-128", "blake2s-128"),
        ("B2", "blake2b"),
        ("b3", "blake3"),
        ("BLAKE3", "blake3"),
        ("CRC32C", "crc32c"),
        ("crc-32c", "crc32c"),
        ("sha512|blake2b", "sha512|blake2b"),
    ],
)
def test_an_algorithm_has_several_spellings(kind: str, name: str) -> None:
    assert algorithm(kind) == name
    assert algorithm(name) == name


@pytest.mark.parametrize(
    "kind",
    ["", "sha257", "sha-512/256", "sha512|", "|", "crc32", "blake2b-7", "blake2b-520", "blake2s-512", "shake_128", "?"],
)
def test_an_unknown_algorithm_is_named_with_those_that_are_known(kind: str) -> None:
    with pytest.raises(UsageError, match="unknown kind of checksum") as caught:
        algorithm(kind)
    assert "sha3-256" in caught.value.hint
    assert "crc32c" in caught.value.hint


@pytest.mark.parametrize("name", [*HEX_DIGITS, "blake2b-256", "blake2s-128", "blake2b-8"])
def test_each_algorithm_can_be_computed_and_has_its_length(name: str) -> None:
    state = new_hash(name)
    state.update(b"1234")
    state.update(memoryview(b"56789"))
    assert len(state.hexdigest()) == hex_digits(name)
    assert checksum(name, state.hexdigest()) == Checksum(name, state.hexdigest())


@pytest.mark.parametrize(
    ("name", "digest"),
    [  # of the nine characters 123456789; the CRC-32C is the check value of RFC 3720
        ("crc32c", "e3069283"),
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("blake3", "b7d65b48420d1033cb2595293263b6f72eabee20d55e699d0df1973b3c9deed1"),
    ],
)
def test_known_digests(name: str, digest: str) -> None:
    state = new_hash(name)
    state.update(b"123456789")
    assert state.hexdigest() == digest


def test_blake3_without_its_package_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(user: str, *modules: str, extra: str) -> None:
        raise UsageError(f"{user} needs {modules[0]}", hint=f"pip install '.[{extra}]'")

    monkeypatch.setattr(extras, "require", missing)
    digests.algorithm.cache_clear()
    with pytest.raises(UsageError, match="a blake3 checksum needs blake3") as caught:
        checksum("b3", SHA256)
    assert "[blake3]" in caught.value.hint
    assert checksum("sha256", SHA256).algorithm == "sha256"
    digests.algorithm.cache_clear()


def test_an_algorithm_is_stronger_than_those_before_it() -> None:
    assert strength("sha512") > strength("sha256") > strength("sha1") > strength("md5") > strength("crc32c")
    assert strength("sha512|blake2b") == strength("sha512")
    assert strength("blake2b-256") > strength("sha384")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (f"sha-256={SHA256}", "", Checksum("sha256", SHA256)),
        (f" SHA256:{SHA256.upper()} ", "", Checksum("sha256", SHA256)),
        (f"sha256: {SHA256}", "", Checksum("sha256", SHA256)),
        (SHA256, "", Checksum("sha256", SHA256)),
        (SHA256, "blake3", Checksum("blake3", SHA256)),
        (SHA256[:32], "md5", Checksum("md5", SHA256[:32])),
        ("e3069283", "crc32c", Checksum("crc32c", "e3069283")),
        (SHA256 * 2, "", Checksum("sha512|blake2b", SHA256 * 2)),
        (f"sha256-{base64.b64encode(bytes.fromhex(SHA256)).decode()}", "", Checksum("sha256", SHA256)),
        (f"sha256={base64.b64encode(bytes.fromhex(SHA256)).decode()}", "", Checksum("sha256", SHA256)),
    ],
)
def test_a_checksum_in_one_text(text: str, name: str, expected: Checksum) -> None:
    assert parse_checksum(text, name) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "sha256=", "sha-256=abc", f"md5:{SHA256}", SHA256[:-1], f"{SHA256} x", "sha256-AAAA", "=", ":"]
)
def test_what_is_no_checksum(text: str) -> None:
    with pytest.raises(UsageError):
        parse_checksum(text)


@given(st.text(max_size=60))
def test_any_text_is_a_checksum_or_a_usage_error(text: str) -> None:
    try:
        item = parse_checksum(text)
    except UsageError:
        return
    assert len(item.digest) == hex_digits(item.algorithm)


@pytest.mark.parametrize(
    ("digits", "name", "expected"),
    [
        (64, "SHA256SUMS", "sha256"),
        (64, "B3SUMS", "blake3"),
        (64, "x.blake3", "blake3"),
        (64, "x.blake2s", "blake2s"),
        (64, "B2SUMS", "blake2b-256"),
        (128, "B2SUMS", "blake2b"),
        (64, "x.sha3-256", "sha3_256"),
        (96, "x.sha384", "sha384"),
        (128, "a/sha512.txt", "sha512"),
        (64, "sha3-256/x.txt", "sha256"),
        (10, "SHA256SUMS", ""),
    ],
)
def test_a_digest_without_a_name_is_told_by_its_length_and_its_file(digits: int, name: str, expected: str) -> None:
    assert algorithm_by_length(digits, name) == expected


# --- computing


def test_one_algorithm_is_computed_once_and_recorded_with_the_others() -> None:
    expected = Checksum("sha256", SHA256)
    verifier = ChecksumVerifier([expected, expected], recorded="sha256")
    verifier.update(b"x")
    assert verifier.digests == (expected,)
    verifier = ChecksumVerifier([expected], recorded="md5")
    verifier.update(b"x")
    assert verifier.digests == (expected, Checksum("md5", hashlib.md5(b"x").hexdigest()))


@pytest.mark.parametrize("name", ["sha512", "blake2b"])
def test_of_two_possible_algorithms_the_right_one_is_recorded(name: str) -> None:
    digest = hashlib.new(name, b"x").hexdigest()
    verifier = ChecksumVerifier([Checksum("sha512|blake2b", digest)])
    verifier.update(b"x")
    verifier.verify("")
    assert verifier.digests == (Checksum(name, digest),)


def pieces_of(body: bytes, length: int) -> Pieces:
    parts = [body[start : start + length] for start in range(0, len(body), length)]
    return Pieces("sha1", length, tuple(hashlib.sha1(part).hexdigest() for part in parts))


@given(st.binary(min_size=1, max_size=60), st.integers(1, 20), st.data())
def test_exactly_the_damaged_pieces_are_found(body: bytes, length: int, data: st.DataObject) -> None:
    damaged = data.draw(st.sets(st.integers(0, len(body) - 1)))
    changed = bytes(byte ^ 1 if at in damaged else byte for at, byte in enumerate(body))
    hashes = PieceHashes(pieces_of(body, length))
    cut = data.draw(st.integers(0, len(body)))
    hashes.update(changed[:cut])
    hashes.update(changed[cut:])
    wrong = {at for start, stop in hashes.wrong_spans() for at in range(start, stop)}
    numbers = {at // length for at in damaged}
    assert wrong == {at for at in range(len(body)) if at // length in numbers}


@pytest.mark.parametrize("size", [0, 5, 10, 16, 25])
def test_all_is_wrong_in_a_file_with_another_number_of_pieces(size: int) -> None:
    hashes = PieceHashes(pieces_of(bytes(15), 5))
    hashes.update(bytes(size))
    assert hashes.wrong_spans() == ((0, max(1, size)),)
