"""Makes a certificate for the test server, with a new authority that only exists as long as the server."""

import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

from downloader.testserver.server_errors import NotInstalled

AUTHORITY = "ca.pem"
_SECRET = 0o600


class Files(NamedTuple):
    """PEM files: the authority that a client must trust, the certificate, and its private key."""

    authority: Path
    certificate: Path
    key: Path


def issue(folder: Path, host: str) -> Files:
    """Make a certificate for the address ``host`` and for loopback. ``folder``: one that other users cannot read.

    Raises NotInstalled.
    """
    try:
        import trustme  # here: only https needs it
    except ImportError:
        raise NotInstalled("trustme") from None

    files = Files(folder / AUTHORITY, folder / "server.pem", folder / "server.key")
    authority = trustme.CA()
    certificate = authority.issue_cert(*_names(host))
    authority.cert_pem.write_to_path(files.authority)
    certificate.cert_chain_pems[0].write_to_path(files.certificate)
    files.key.touch(_SECRET)
    certificate.private_key_pem.write_to_path(files.key)
    return files


def _names(host: str) -> list[str]:
    names = ["localhost", "127.0.0.1", "::1"]
    if not ipaddress.ip_address(host).is_loopback:
        names.append(socket.gethostname())
    return list(dict.fromkeys([*names, host]))
