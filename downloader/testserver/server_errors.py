"""The exceptions of the test server, which imports nothing of the rest of the package.

::

    ServerError
    ├── WrongQuery    the query is invalid; the text is one line with the reason
    ├── Unsupported   this kind of server, as installed on this machine, does not support the request
    └── CannotStart   the port is in use, the address is not one of this machine, the program is missing or failed
        └── NotInstalled   a Python module that the server needs is not installed
"""


class ServerError(Exception):
    """The root of the exceptions of a test server."""


class WrongQuery(ServerError):
    """The query is invalid."""


class Unsupported(ServerError):
    """This kind of server does not support the request."""


class CannotStart(ServerError):
    """The server cannot be started."""


class NotInstalled(CannotStart):
    """A Python module that the server needs is not installed. ``modules``: the names of all missing modules."""

    def __init__(self, *modules: str) -> None:
        super().__init__(*modules)
        self.modules = modules

    def __str__(self) -> str:
        return f"the test server needs {', '.join(self.modules)}"
