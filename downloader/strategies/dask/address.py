"""Where the scheduler of the cluster is: what ``--cluster`` means. Nothing is connected here."""

import json
import os

from downloader.errors import UsageError

SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")
"""The transports of Dask."""

HOW_TO_START = "start one: dl cluster up --workers 2; or see docs/cluster.md"


def scheduler_address(setting: str, configured: str) -> str:
    """The address of the scheduler.

    Args:
        setting: of ``--cluster``: an address, or the path of a scheduler file.
        configured: the address in Dask's own configuration; empty: there is none.

    Raises:
        UsageError: there is no address, or the file is no scheduler file.
    """
    value = setting or configured
    if not value:
        raise UsageError("--strategy dask needs a cluster: give its address with --cluster", hint=HOW_TO_START)
    scheme, separator, rest = value.partition("://")
    if not separator:
        return _from_file(value)
    if scheme not in SCHEMES or not rest:
        raise UsageError(f"--cluster: not an address of a Dask scheduler: {value!r}", hint="for example tcp://HOST:8786")
    return value


def _from_file(path: str) -> str:
    path = os.path.expanduser(path)
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except FileNotFoundError:
        hint = "an address begins with tcp:// or tls://; a scheduler file is written by dask scheduler --scheduler-file"
        raise UsageError(f"--cluster: no such file: {path}", hint=hint) from None
    except OSError as error:
        raise UsageError(f"--cluster: cannot read {path}: {error.strerror}") from None
    except ValueError:
        content = None
    address = content.get("address") if isinstance(content, dict) else None
    if not isinstance(address, str) or "://" not in address:
        raise UsageError(f"--cluster: not a scheduler file of Dask: {path}", hint=HOW_TO_START)
    return address
