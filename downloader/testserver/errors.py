"""What can go wrong with a test server: plain exceptions, because it knows nothing of the rest of the package.

::

    ServerError
    ├── WrongQuery    a query that cannot be answered; the text is one line that says what is wrong with it
    ├── Unsupported   this kind of server, as it is installed here, cannot do that
    └── CannotStart   the port is in use, the address is not this machine's, the program is missing or gave up
        └── NotInstalled   a Python module that the server is made of is not installed
"""


class ServerError(Exception):
    """The root: what a test server raises."""


class WrongQuery(ServerError):
    """A query that cannot be answered."""


class Unsupported(ServerError):
    """This kind of server cannot do that."""


class CannotStart(ServerError):
    """The server does not come up."""


class NotInstalled(CannotStart):
    """A module that the server is made of is not installed. ``modules``: the names of all that are missing."""

    def __init__(self, *modules: str) -> None:
        super().__init__(*modules)
        self.modules = modules

    def __str__(self) -> str:
        return f"the test server needs {', '.join(self.modules)}"
