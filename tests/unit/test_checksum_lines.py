"""Files of checksums, as each tool writes them; and what servers answer instead of one."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import blake3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloader.core.facts import Checksum
from downloader.core.names.checksum_lines import find_in_answer, parse_checksums
from downloader.errors import UsageError
from downloader.inventory.expected_files import from_sums
from downloader.sources import lists
from downloader.storage.checksum import ChecksumVerifier

MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4
BODY = b"the whole file"


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        (f"{SHA256}  file.bin", "file.bin", Checksum("sha256", SHA256)),
        (f"{SHA256} *file.bin", "file.bin", Checksum("sha256", SHA256)),
        (f"{SHA256.upper()}  file.bin", "file.bin", Checksum("sha256", SHA256)),
        (f"{MD5}  d/my file.bin", "d/my file.bin", Checksum("md5", MD5)),
        (f"{SHA256}  ./file.bin", "file.bin", Checksum("sha256", SHA256)),
        (f"{'a' * 40}  x", "x", Checksum("sha1", "a" * 40)),
        (f"{'a' * 56}  x", "x", Checksum("sha224", "a" * 56)),
        (f"{'a' * 96}  x", "x", Checksum("sha384", "a" * 96)),
        (f"{'a' * 128}  x", "x", Checksum("sha512|blake2b", "a" * 128)),
        (f"SHA256 (file.bin) = {SHA256}", "file.bin", Checksum("sha256", SHA256)),
        (f"MD5 (a (1) = b.bin) = {MD5}", "a (1) = b.bin", Checksum("md5", MD5)),
        (f"SHA512 (./x) = {'A' * 128}", "x", Checksum("sha512", "a" * 128)),
        (f"\ufeff{SHA256}  file.bin", "file.bin", Checksum("sha256", SHA256)),
        (f"{SHA256}  file.bin\r", "file.bin", Checksum("sha256", SHA256)),
        (f"{SHA256} file.bin", "file.bin", Checksum("sha256", SHA256)),
        (f"{SHA256}   file.bin", " file.bin", Checksum("sha256", SHA256)),
        ("e3069283  x", "x", Checksum("crc32c", "e3069283")),
        (f"SHA2-256(file.bin)= {SHA256}", "file.bin", Checksum("sha256", SHA256)),
        (f"SHA3-256 (file.bin) = {SHA256}", "file.bin", Checksum("sha3_256", SHA256)),
        (f"BLAKE2b-256 (file.bin) = {SHA256}", "file.bin", Checksum("blake2b-256", SHA256)),
        (f"BLAKE3 (file.bin) = {SHA256}", "file.bin", Checksum("blake3", SHA256)),
        (f"\\SHA256 (a\\nb) = {SHA256}", "a\nb", Checksum("sha256", SHA256)),
        ("MD5 (x) = kAFQmDzST7DWlj99KOF/cg==", "x", Checksum("md5", "900150983cd24fb0d6963f7d28e17f72")),
        (
            f"\\{SHA256}  a\\\\b\\nc",
            "a\\b\nc",
            Checksum("sha256", SHA256),
        ),
    ],
)
def test_a_line_of_a_checksum_file_is_of_either_style(line: str, name: str, expected: Checksum) -> None:
    assert parse_checksums(iter([line]), "SUMS") == {name: expected}


@pytest.mark.parametrize(
    ("file", "line", "algorithm"),
    [
        ("B2SUMS", "{}  x", "blake2b"),
        ("https/x.tar.b2", "{} *x", "blake2b"),
        ("SHA512SUMS", "{}  x", "sha512"),
        ("/dev/fd/63", "{}  x", "sha512|blake2b"),
        ("CHECKSUMS", "BLAKE2b (x) = {}", "blake2b"),
        ("B2SUMS", "SHA512 (x) = {}", "sha512"),
        ("x.sha3-512", "{}  x", "sha3_512"),
        ("SHA384SUMS", "{}  x", "sha512|blake2b"),
        ("web2sum", "{}  x", "sha512|blake2b"),
    ],
)
def test_sha512_and_blake2b_are_told_apart_by_tag_or_file_name(file: str, line: str, algorithm: str) -> None:
    assert parse_checksums(iter([line.format("a" * 128)]), file) == {"x": Checksum(algorithm, "a" * 128)}


def test_line_of_another_length_in_a_file_of_blake2b_digests_is_wrong() -> None:
    with pytest.raises(UsageError, match="B2SUMS:1"):
        parse_checksums(iter([f"{SHA256}{SHA256}ab  x"]), "B2SUMS")


def test_the_last_line_for_a_name_in_a_checksum_file_counts() -> None:
    content = ["# made by hand", "", "   ", f"{MD5}  x", f"{SHA256}  x", f"{MD5}  y"]
    assert parse_checksums(iter(content), "SUMS") == {"x": Checksum("sha256", SHA256), "y": Checksum("md5", MD5)}


@pytest.mark.parametrize(
    "line",
    [
        "file.bin",
        f"{SHA256}",
        f"{SHA256[:-1]}g  file.bin",
        f"{'a' * 33}  file.bin",
        f"{'a' * 31}  file.bin",
        f"{'a' * 130}  file.bin",
        f"SHA256 (file.bin) {SHA256}",
        f"SHA256 (file.bin) = {SHA256[:-1]}",
        f"MD5 (file.bin) = {SHA256}",
        f"SHA3-256 (file.bin) = {MD5}",
        "4294967295 4 file.bin",
        f"RMD160 (file.bin) = {'a' * 40}",
    ],
)
def test_a_wrong_line_of_a_checksum_file_is_reported_by_its_number(line: str) -> None:
    with pytest.raises(UsageError, match="SUMS:2"):
        parse_checksums(iter([f"{MD5}  good", line]), "SUMS")


def test_a_checksum_file_is_read_from_disk(tmp_path: Path) -> None:
    (tmp_path / "SUMS").write_text(f"{SHA256}  x\n")
    assert lists.read_checksums(str(tmp_path / "SUMS")) == {"x": Checksum("sha256", SHA256)}


@pytest.mark.parametrize("flags", [(), ("--tag",)], ids=["plain", "tag"])
def test_records_that_end_in_nul_are_read(tmp_path: Path, flags: tuple[str, ...]) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    names = ["a.bin", "with a\nline end", "and a\rCR", "ünïcode", *(f"many-{number:04}" for number in range(2000))]
    for name in names:
        (tmp_path / name).write_text(name)
    sums = tmp_path / "SUMS"
    sums.write_bytes(subprocess.run(["sha256sum", "-z", *flags, *names], cwd=tmp_path, capture_output=True, check=True).stdout)
    wanted = {name: Checksum("sha256", hashlib.sha256(name.encode()).hexdigest()) for name in names}
    assert lists.read_checksums(str(sums)) == wanted
    assert {item.path: item.checksums[0] for item in from_sums(str(sums))} == wanted


def test_what_is_no_record_is_reported_by_its_number(tmp_path: Path) -> None:
    sums = tmp_path / "SUMS"
    for content, number in ((f"{SHA256}  a\0nonsense\0", 2), ("\0" * 3 + "x" * 200_000, 4)):
        sums.write_text(content)
        with pytest.raises(UsageError, match=f"SUMS:{number}"):
            lists.read_checksums(str(sums))


TOOLS = [
    *(f"{kind}sum" for kind in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "b2")),
    *(f"{kind}sum --tag" for kind in ("md5", "sha1", "sha256", "sha512", "b2")),
    *(
        "sha256sum --binary",
        "b2sum -l 256 --tag",
        "b2sum -l 256",
        "b2sum -l 128",
        "openssl dgst -sha256",
        "openssl dgst -sha3-512",
    ),
    *(f"cksum -a {kind}" for kind in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")),
    *("cksum -a sha256 --untagged", "cksum -a blake2b -l 384"),
]


@pytest.mark.parametrize("tool", TOOLS)
def test_the_output_of_each_tool_is_read_and_its_digests_are_right(tmp_path: Path, tool: str) -> None:
    if shutil.which(tool.split()[0]) is None:
        pytest.skip(f"{tool.split()[0]} is not installed")
    names = ["plain.bin", "with space (1) = 2.bin", "ünïcode"]
    if "openssl" not in tool:
        names.append("line\nbreak\\and backslash")
    for name in names:
        (tmp_path / name).write_bytes(BODY + name.encode())
    done = subprocess.run([*tool.split(), *names], cwd=tmp_path, capture_output=True, check=False)
    if b"option" in done.stderr:
        pytest.skip(f"an older {tool}")
    file = "B2SUMS" if tool.startswith("b2sum") else "CHECKSUMS"
    found = parse_checksums(done.stdout.decode().split("\n"), file)
    assert sorted(found) == sorted(names)
    for name, item in found.items():
        verifier = ChecksumVerifier([item])
        verifier.update(BODY + name.encode())
        verifier.verify(name)  # raises IntegrityError if the line was understood as another algorithm


@pytest.mark.parametrize("line", ["{}  x.bin", "BLAKE3 (x.bin) = {}", "{} *x.bin"])
def test_the_lines_of_b3sum_are_read(line: str) -> None:
    digest = blake3.blake3(BODY).hexdigest()
    assert parse_checksums([line.format(digest)], "B3SUMS") == {"x.bin": Checksum("blake3", digest)}


# --- answers of servers


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        (f"{SHA256}\n", "x.sha256", {"": Checksum("sha256", SHA256)}),
        (f"sha256:{SHA256}", "x.sha256", {"": Checksum("sha256", SHA256)}),
        (f"{SHA256}  x\n", "x.sha256", {"x": Checksum("sha256", SHA256)}),
        (f"\ufeff{MD5} *x\r\n", "x.md5", {"x": Checksum("md5", MD5)}),
        (f"SHA256 (x) = {SHA256}", "x.sha256", {"x": Checksum("sha256", SHA256)}),
        (
            f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{SHA256}  x\n-----BEGIN PGP SIGNATURE-----\nabc=\n",
            "SHA256SUMS",
            {"x": Checksum("sha256", SHA256)},
        ),
        (f"<html>\n{SHA256}  x\n</html>", "x.sha256", {}),
        (f"  <!DOCTYPE html>{SHA256}", "x.sha256", {}),
        ("", "x.sha256", {}),
        ("Not found", "x.sha256", {}),
        ("404", "x.sha256", {}),
        (f"{SHA256}\0", "x.sha256", {}),
        (f"{'x' * 20_000} {SHA256}  x", "x.sha256", {}),
    ],
)
def test_what_a_server_answers_for_a_checksum(body: str, name: str, expected: dict[str, Checksum]) -> None:
    assert find_in_answer(body.encode(), name) == expected


@given(st.binary(max_size=300) | st.text("0123456789abcdef ()=*\\\n<-", max_size=300).map(str.encode))
def test_no_answer_for_a_checksum_raises(body: bytes) -> None:
    for item in find_in_answer(body, "SHA256SUMS").values():
        assert len(bytes.fromhex(item.digest)) >= 1


@given(
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), min_size=1, max_size=30), st.binary(max_size=9)
)
def test_a_line_that_sha256sum_would_write_is_read_back(name: str, body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    escaped = name.replace("\\", "\\\\")
    line = f"{'' if escaped == name else chr(92)}{digest}  {escaped}"
    if line == line.rstrip():
        assert parse_checksums([line], "SUMS") == {name.removeprefix("./"): Checksum("sha256", digest)}
