"""The test server as a pytest fixture, for anybody's tests. In ``conftest.py``::

    pytest_plugins = ["downloader.testserver.fixture"]

and in a test::

    def test_it_arrives(download_server):
        url = download_server.file(1, size=1000, fail="503", share=0.5)
        assert fetch(url) == downloader.testserver.content.body(1, 0, 1000)
"""

from collections.abc import Iterator

import pytest

from downloader.testserver.errors import NotInstalled
from downloader.testserver.launch import TestServer


@pytest.fixture(scope="session")
def download_server() -> Iterator[TestServer]:
    """A running `TestServer`, one for all tests. Its ``reset()`` makes faults begin anew.

    Where the server is not installed, the tests that ask for this fixture fail, and no others.
    """
    try:
        server = TestServer()
    except NotInstalled as error:
        pytest.fail(f"{error}: pip install {' '.join(error.modules)}", pytrace=False)
    with server:
        yield server
