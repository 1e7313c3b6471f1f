"""A certificate for the test server, of an authority that lives as long as the server and that nobody else trusts."""

import ipaddress
import socket
from pathlib import Path
from typing import NamedTuple

from downloader.testserver.errors import NotInstalled

AUTHORITY = "ca.pem"
_SECRET = 0o600


class Files(NamedTuple):
    """PEM files: what a client must trust, the certificate, its key."""

    authority: Path
    certificate: Path
    key: Path


def issue(folder: Path, host: str) -> Files:
    """Make a certificate for the address ``host`` and for loopback, in a folder that nobody else can read.

    Raises NotInstalled.
    """
    try:
        import trustme  # here: only https pays for it
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
