"""The post-processing of the scenarios `cpu` and `cpu-native`: as much work on each file, with the GIL held and without.

A file of 128 KiB in Python takes about as long as one of 2 MiB in C, 80 ms: so the two scenarios differ in the GIL alone.
What is computed is of no use to anyone; that each strategy must come to the same is.
"""

import hashlib
from pathlib import Path

POLYNOMIAL = 0xEDB88320  # CRC-32, reflected: ITU-T V.42, RFC 1952 section 8
ROUNDS = 12
_BLOCK = 1 << 20


def in_python(part: Path) -> str:
    """The CRC-32 of a file's bytes, bit by bit in a plain loop: 600 ns a byte, all of it with the GIL."""
    state = 0xFFFFFFFF
    for byte in part.read_bytes():
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (POLYNOMIAL if state & 1 else 0)
    return f"{state ^ 0xFFFFFFFF:08x}"


def in_c(part: Path) -> str:
    """The SHA3-512 of a file's bytes, each block taken 12 times, by hashlib: it lets go of the GIL for each. 38 ns a byte.

    SHA-3, because processors that compute SHA-256 by an instruction would leave little to measure.
    """
    state = hashlib.sha3_512()
    with part.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for _ in range(ROUNDS):
                state.update(block)
    return state.hexdigest()
