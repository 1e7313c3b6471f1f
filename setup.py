"""Builds the manual page dl(1), and compiles the modules of compiled.txt with mypyc. All else is in pyproject.toml.

A wheel gets extension modules beside the .py files; the interpreter prefers them. Without a C compiler, or where compilation
fails, the wheel has the .py files alone and is the same program. Environment variables of the build:

- ``DOWNLOADER_PURE=1``: do not compile.
- ``DOWNLOADER_COMPILE=require``: fail if compilation fails.

An editable install is never compiled, because extension modules beside edited sources would hide each edit. The command
``python setup.py build`` puts the whole package, compiled, into build/.
"""

import os
import sys
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

MANUALS = "share/man/man1"
MODULE_LIST = Path(__file__).with_name("compiled.txt")
MYPY_OPTIONS = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
"""mypyc needs types, not proofs: CI checks the types strictly, and has the stubs of all libraries."""

IS_PURE = os.environ.get("DOWNLOADER_PURE", "0") not in ("", "0")
MUST_COMPILE = os.environ.get("DOWNLOADER_COMPILE") == "require"
if IS_PURE and MUST_COMPILE:
    sys.exit("DOWNLOADER_PURE and DOWNLOADER_COMPILE=require exclude each other")


class InstallManual(Distribution().get_command_class("install_data")):
    """Puts the page among the data files of the wheel."""

    def run(self) -> None:
        """Install what is declared, and the page."""
        super().run()
        sys.path.insert(0, str(Path(__file__).parent))  # a build in isolation does not have it
        from downloader.cli.manual import page

        target = Path(self.install_dir) / MANUALS / "dl.1"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(), encoding="utf-8")
        self.outfiles.append(str(target))


class CompiledDistribution(Distribution):
    """A distribution with extension modules, which are known only when `Compile` runs."""

    def has_ext_modules(self) -> bool:
        """Whether the modules are to be compiled."""
        return not IS_PURE


class Compile(build_ext):
    """Translates the modules to C, and compiles the C. Both happen below build/, and a second build repeats neither in vain."""

    def run(self) -> None:
        """Compile, or remove what an earlier build has compiled."""
        if not self.editable_mode:
            try:
                self._compile()
            except (Exception, SystemExit) as error:  # mypyc ends the process after an error of types
                if MUST_COMPILE:
                    raise
                print(f"downloader: not compiled, the package will be pure Python: {error}", file=sys.stderr)  # noqa: T201
                self.extensions = self.distribution.ext_modules = []
            self._remove_old()

    def _compile(self) -> None:
        self.distribution.ext_modules = translated()
        self.distribution.reinitialize_command(self)  # it was finalized without extension modules
        self.ensure_finalized()
        self.parallel = self.parallel or os.cpu_count()
        super().run()

    def _remove_old(self) -> None:
        """Remove extension modules of an earlier build that this build did not make: the wheel would contain them."""
        new = {Path(path).resolve() for path in self.get_outputs()}
        suffix = self.get_ext_filename("")
        for path in Path(self.build_lib).rglob(f"*{suffix}"):
            if path.resolve() not in new:
                path.unlink()


class Wheel(bdist_wheel):
    """A wheel without extension modules is for every machine."""

    def run(self) -> None:
        """Build first, to know what the wheel is for."""
        if not self.skip_build:
            self.run_command("build")
            self.root_is_pure = not self.distribution.ext_modules
        super().run()


def translated() -> list[Extension]:
    """The extension modules, in C. Raises SystemExit if mypy finds an error, ImportError if mypyc is not installed."""
    from mypyc.build import mypycify

    lines = MODULE_LIST.read_text(encoding="utf-8").splitlines()
    modules = [line for line in lines if line and not line.startswith("#")]
    # More optimization makes the compiler slower, and a run no faster: most time passes in the functions of Python and libcurl.
    return mypycify(
        [*MYPY_OPTIONS, *modules], opt_level="1", debug_level="0", group_name="downloader", target_dir="build/mypyc"
    )


setup(
    distclass=CompiledDistribution,
    cmdclass={"install_data": InstallManual, "build_ext": Compile, "bdist_wheel": Wheel},
    data_files=[(MANUALS, [])],
)
