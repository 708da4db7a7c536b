"""The build hook of setuptools: compiles the modules of the compile list with mypyc, or says why it does not.

Named in pyproject.toml and loaded by file name, so it imports nothing of portguard. Only a missing C compiler or a
missing Python.h makes the build fall back to interpreted; any other failure fails it, since an operator who believes
to run compiled code must not run something ten times slower. `portguard version` and `run` name the flavour.

PORTGUARD_BUILD=interpreted forbids compiling; PORTGUARD_BUILD=compiled forbids the fallback. PORTGUARD_PROFILE=FOLDER,
for GCC, is a build in two steps: while the folder has no profile it makes a library that writes one there when it runs,
afterwards one that is laid out by it (`make trained`).
"""

import os
import runpy
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension
from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.sysconfig import customize_compiler
from setuptools.command.build_ext import build_ext
from setuptools.errors import SetupError

ROOT = Path(__file__).resolve().parent.parent
# Names of the shared library that holds all modules: not by the list, as mypyc would, and a second for what is laid out
# by a profile, by which portguard.flavour tells it.
LIBRARY, TRAINED_LIBRARY = "portguard", "portguard_trained"
# An isolated build has none of the packages that interpreted modules import; a module of our own must be there.
MYPY_SETTINGS = """
[mypy]
follow_imports = silent
ignore_missing_imports = True
[mypy-portguard.*]
ignore_missing_imports = False
"""


def compile_list() -> list[str]:
    """The paths, relative to the root, of the modules to compile."""
    names: list[str] = runpy.run_path(str(ROOT / "portguard" / "_compiled.py"))["COMPILED"]
    paths = [name.replace(".", "/") + ".py" for name in names]
    missing = [path for path in paths if not (ROOT / path).is_file()]
    if missing:
        raise SetupError(f"portguard/_compiled.py names modules that are not there: {', '.join(missing)}")
    return paths


class CompiledModules(build_ext):
    """Puts the modules of the compile list in the place of the placeholder that pyproject.toml declares."""

    def run(self) -> None:
        """Generates and compiles, or leaves the modules interpreted and says so."""
        reason = self._why_not()
        if reason is None:
            self._use(self._generate())
        else:
            self._use([])
            sys.stderr.write(f"\nportguard: INTERPRETED build, several times slower: {reason}\n\n")
        super().run()

    def get_source_files(self) -> list[str]:
        """None: the placeholder has none, and what mypyc generates is no source."""
        return []

    def _use(self, extensions: list[Extension]) -> None:
        # Once more, with the real list: the metadata steps of pip finalize too, and would otherwise pay for mypyc.
        self.distribution.ext_modules = extensions
        self.swig_opts = None
        self.finalize_options()

    def _generate(self) -> list[Extension]:
        # Late: mypyc looks whether setuptools is there, and only a build that compiles needs it.
        from mypyc.build import mypycify

        settings = Path(self.build_temp, "mypy.ini")
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(MYPY_SETTINGS, encoding="ascii")
        extensions: list[Extension] = mypycify(
            [f"--config-file={settings}", *compile_list()],
            opt_level="3",
            debug_level="1",
            group_name=TRAINED_LIBRARY if os.environ.get("PORTGUARD_PROFILE") else LIBRARY,
            target_dir=self.build_temp,
        )
        for extension in extensions:
            # One list is in all of them.
            extension.extra_compile_args = [*extension.extra_compile_args, *flags()]
            extension.extra_link_args = [*extension.extra_link_args, *profile_flags()]
        return extensions

    def _why_not(self) -> str | None:
        wish = os.environ.get("PORTGUARD_BUILD", "")
        if wish not in ("", "compiled", "interpreted"):
            raise SetupError(f"PORTGUARD_BUILD is compiled or interpreted, not {wish!r}")
        if wish == "interpreted":
            return "PORTGUARD_BUILD=interpreted"
        lacking = missing_tool()
        if lacking is not None and wish == "compiled":
            raise SetupError(f"PORTGUARD_BUILD=compiled, but there is {lacking}")
        return lacking


def flags() -> list[str]:
    """What is asked of the C compiler beside what Python was built with: nobody replaces our functions when the library
    is loaded, so calls among them need no detour and small ones can be made part of their callers."""
    if sys.platform == "win32":
        return []
    return ["-fno-semantic-interposition", "-fvisibility=hidden", "-fno-plt", *profile_flags()]


def profile_flags() -> list[str]:
    """Those of the two steps of a build by profile; none unless PORTGUARD_PROFILE asks for it."""
    folder = os.environ.get("PORTGUARD_PROFILE", "")
    if not folder:
        return []
    if not any(Path(folder).glob("*.gcda")):
        return [f"-fprofile-generate={folder}", "-fprofile-update=single"]
    # What traffic did not come by is left as it is; so is a module that has nothing to run.
    return [f"-fprofile-use={folder}", "-fprofile-partial-training", "-Wno-missing-profile"]


def missing_tool() -> str | None:
    """What keeps this machine from compiling; None if nothing does."""
    compiler = new_compiler()
    customize_compiler(compiler)  # as CC and CFLAGS say
    command = vars(compiler)["compiler_so"][0]
    if shutil.which(command) is None:
        return f"no C compiler ({command})"
    paths = sysconfig.get_paths()
    if not any(Path(paths[kind], "Python.h").is_file() for kind in ("include", "platinclude")):
        return f"no Python.h in {paths['include']} (Debian: python3-dev)"
    return None
