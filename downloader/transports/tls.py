"""The TLS context of the transports that use Python's ssl: requests, httpx and aiohttp."""

import ssl
from typing import Any

from downloader.errors import UsageError
from downloader.transports.base import ClientOptions


class _StrictContext(ssl.SSLContext):
    """A context whose sockets raise an error for an end without close_notify (RFC 8446 section 6.1): it may be a truncation."""

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*arguments, **{**options, "suppress_ragged_eofs": False})


def tls_context(options: ClientOptions) -> ssl.SSLContext:
    """The TLS context for these options. Raises UsageError if a file of certificates or keys cannot be used."""
    context = _StrictContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.cacert:
        try:
            context.load_verify_locations(cafile=options.cacert)
        except OSError as error:
            raise UsageError(f"cannot use --cacert {options.cacert}: {error.strerror or 'no certificates in it'}") from None
    else:
        import certifi  # here: only TLS needs it

        context.load_verify_locations(cafile=certifi.where())
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.cert:
        try:
            context.load_cert_chain(options.cert, options.key or None)
        except OSError as error:
            raise UsageError(f"cannot use --cert {options.cert}: {error.strerror or 'no certificate and key in it'}") from None
    return context
