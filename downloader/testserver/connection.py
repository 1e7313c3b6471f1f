"""Ends a TCP connection of this process from outside of the library that serves it: the faults that no answer can be.

RSGI has no word for that, so the socket is found among the process's own descriptors, by the address of its other end.
"""

import os
import socket
import struct
from contextlib import suppress

DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
"""The folder of this process's own: Linux, and the others."""
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time: closing resets the connection."""


def end(client: str, *, reset: bool) -> bool:
    """End the connection to ``client`` (``address:port``): with a FIN, or with a RST once its owner closes it.

    False where it is not found; nothing has happened then.
    """
    found = _find(client)
    if found is None:
        return False
    with found, suppress(OSError):
        if reset:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        # Its owner reads an end and closes; a FIN of ours must not come before the RST.
        found.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    return True


def _find(client: str) -> socket.socket | None:
    host, _, port = client.rpartition(":")
    peer = host.strip("[]"), int(port)
    for name in os.listdir(DESCRIPTORS):
        with suppress(OSError):  # what is closed by now, or no socket
            copy = os.dup(int(name))  # first: the number may be another's by the next line
            try:
                one = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            if _peer(one) == peer:
                return one
            one.close()
    return None


def _peer(one: socket.socket) -> tuple[str, int] | None:
    try:
        address = one.getpeername()
    except OSError:
        return None
    return address[:2] if isinstance(address, tuple) else None
