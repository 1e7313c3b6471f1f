"""Which build of the package the tests run on."""

import pytest

from downloader.cli.build_info import is_compiled

replaces_internals = pytest.mark.skipif(is_compiled(), reason="replaces a method that compiled code calls directly")
"""For tests that replace a method of a compiled class: calls between compiled modules do not see the replacement."""
