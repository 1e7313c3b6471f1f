"""Computes digests: one object with the interface of hashlib for each algorithm of `downloader.core.digests`."""

from typing import Protocol

from downloader import extras


class Hash(Protocol):
    """A digest that is being computed, as hashlib defines it."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Hash the next bytes."""

    def hexdigest(self) -> str:
        """The digest of the bytes so far, in lower-case hexadecimal."""


def new_hash(algorithm: str) -> Hash:
    """The digest of no bytes yet.

    ``algorithm``: as `downloader.core.digests.algorithm` returns it, without ``|``; or another name that hashlib knows. Raises
    UsageError if the package that computes it is not installed, ValueError for an unknown name.
    """
    if algorithm == "crc32c":
        import crc32c

        checksum: Hash = crc32c.CRC32CHash()
        return checksum
    if algorithm == "blake3":
        extras.require("a blake3 checksum", "blake3", extra="blake3")
        import blake3

        digest: Hash = blake3.blake3()
        return digest
    import hashlib

    name, _, bits = algorithm.partition("-")
    if bits and name == "blake2b":
        return hashlib.blake2b(digest_size=int(bits) // 8, usedforsecurity=False)
    if bits and name == "blake2s":
        return hashlib.blake2s(digest_size=int(bits) // 8, usedforsecurity=False)
    return hashlib.new(algorithm, usedforsecurity=False)
