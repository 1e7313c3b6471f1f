"""Closes or resets a TCP connection of this process, for the faults ``drop`` and ``reset``.

RSGI has no function for this, so the socket is found among the descriptors of the process, by the address of the client.
"""

import os
import socket
import struct
from contextlib import suppress

DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
"""The folder of the descriptors of this process, on Linux and on other systems."""
_AT_ONCE = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with a time of 0: closing the socket resets the connection."""


def end(client: str, *, reset: bool) -> bool:
    """Close the connection to ``client`` (``address:port``) with a FIN, or with a RST when its owner closes the socket.

    Returns False if there is no such connection.
    """
    connection = _find(client)
    if connection is None:
        return False
    with connection, suppress(OSError):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        # The owner reads end-of-file and closes the socket. A shutdown of both directions would send a FIN before the RST.
        connection.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    return True


def _find(client: str) -> socket.socket | None:
    host, _, port = client.rpartition(":")
    peer = host.strip("[]"), int(port)
    for name in os.listdir(DESCRIPTORS):
        with suppress(OSError):  # the descriptor was closed meanwhile, or is no socket
            duplicate = os.dup(int(name))  # at once: the number may be reused for another file
            try:
                candidate = socket.socket(fileno=duplicate)
            except OSError:
                os.close(duplicate)
                continue
            if _peer(candidate) == peer:
                return candidate
            candidate.close()
    return None


def _peer(connection: socket.socket) -> tuple[str, int] | None:
    try:
        address = connection.getpeername()
    except OSError:
        return None
    return address[:2] if isinstance(address, tuple) else None
