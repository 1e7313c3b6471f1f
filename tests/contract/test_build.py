"""The suite runs the build that it is meant to run: the pure modules of the tree, or the compiled ones of an installed package.

``DOWNLOADER_EXPECT_BUILD=compiled`` in the environment: the modules of compiled.txt must be extension modules.
"""

import os
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

from downloader.cli.build_info import is_compiled

ROOT = Path(__file__).parents[2]
EXPECTED = os.environ.get("DOWNLOADER_EXPECT_BUILD", "pure")
MODULES = [line for line in (ROOT / "compiled.txt").read_text().splitlines() if line and not line.startswith("#")]


def is_extension(origin: str) -> bool:
    """Whether a module's file is an extension module."""
    return origin.endswith(tuple(EXTENSION_SUFFIXES))


def test_expected_build_runs() -> None:
    assert EXPECTED in ("pure", "compiled")
    assert is_compiled() == (EXPECTED == "compiled"), "DOWNLOADER_EXPECT_BUILD and the build differ"
    assert len(MODULES) >= 40
    origins = {module: find_spec(module.removesuffix(".py").replace("/", ".")) for module in MODULES}
    others = {name for name, spec in origins.items() if spec and is_extension(spec.origin or "") != (EXPECTED == "compiled")}
    assert others == set()


def test_pure_modules_can_be_forced() -> None:
    code = "from downloader.core import spans; from downloader.storage import part; print(spans.__file__, part.__file__)"
    environment = {**os.environ, "DOWNLOADER_PURE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert [Path(name).name for name in done.stdout.split()] == ["spans.py", "part.py"]
