"""The build hook on a package of one module: what it compiles, when it falls back, and when it must fail."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "portguard"
version = "0"
[tool.setuptools]
packages = ["portguard"]
[tool.setuptools.cmdclass]
build_ext = "portguard._build.CompiledModules"
[[tool.setuptools.ext-modules]]
name = "portguard._placeholder"
sources = []
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "project" / "portguard"
    package.mkdir(parents=True)
    (package.parent / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    (package / "__init__.py").touch()
    (package / "_compiled.py").write_text('COMPILED = ["portguard.one"]\n', encoding="utf-8")
    (package / "one.py").write_text("def one() -> int:\n    return 1\n", encoding="utf-8")
    shutil.copy(ROOT / "portguard" / "_build.py", package)
    return package.parent


def build(project: Path, **environment: str) -> tuple[int, str, list[str]]:
    """Exit status, output and the shared libraries of the wheel."""
    options = ["-v", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "dist", "."]
    result = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list((project / "dist").glob("*.whl")) if (project / "dist").is_dir() else []
    output = result.stdout + result.stderr
    return result.returncode, output, [n for w in wheels for n in zipfile.ZipFile(w).namelist() if ".so" in n]


@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler")
def test_it_compiles(project: Path) -> None:
    status, output, libraries = build(project, PORTGUARD_BUILD="compiled")
    assert status == 0, output
    assert [name.split(".")[0] for name in sorted(libraries)] == ["portguard/one", "portguard__mypyc"]


def test_without_a_compiler_it_says_so_and_stays_interpreted(project: Path) -> None:
    status, output, libraries = build(project, CC="/nonexistent/cc")
    assert status == 0, output
    assert "INTERPRETED build, several times slower: no C compiler (/nonexistent/cc)" in output
    assert libraries == []


def test_without_a_compiler_it_fails_where_compiled_is_asked_for(project: Path) -> None:
    status, output, _ = build(project, CC="/nonexistent/cc", PORTGUARD_BUILD="compiled")
    assert status != 0
    assert "PORTGUARD_BUILD=compiled, but there is no C compiler" in output


def test_interpreted_can_be_asked_for(project: Path) -> None:
    status, output, libraries = build(project, PORTGUARD_BUILD="interpreted")
    assert (status, libraries) == (0, []), output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def one() -> int:\n    return 'one'\n", "Incompatible return value type"),
        ("from portguard.two import two\n", 'or library stub for module named "portguard.two"'),
    ],
)
def test_a_module_that_does_not_compile_fails_the_build(project: Path, text: str, says: str) -> None:
    (project / "portguard" / "one.py").write_text(text, encoding="utf-8")
    status, output, _ = build(project, PORTGUARD_BUILD="")
    assert status != 0
    assert says in output


def test_a_module_that_is_not_there_fails_the_build(project: Path) -> None:
    (project / "portguard" / "one.py").unlink()
    status, output, _ = build(project, PORTGUARD_BUILD="")
    assert status != 0
    assert "names modules that are not there: portguard/one.py" in output


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_it_compiles_once_more_for_what_was_run(project: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    asked = {"PORTGUARD_BUILD": "compiled", "PORTGUARD_PROFILE": str(profile)}
    status, output, _ = build(project, **asked)
    assert status == 0, output
    assert not list(profile.iterdir())
    (wheel,) = (project / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    subprocess.run(
        [sys.executable, "-c", "from portguard import one\nassert one.__file__.endswith('.so')\none.one()"],
        cwd=tmp_path / "installed", env={**os.environ, "PYTHONPATH": "."}, check=True,
    )
    assert list(profile.glob("*__native_portguard_trained.gcda"))
    for made in ("build", "dist"):
        shutil.rmtree(project / made)
    status, output, libraries = build(project, **asked)
    assert status == 0, output
    assert f"-fprofile-use={profile}" in output
    assert [name.split(".")[0] for name in sorted(libraries)] == ["portguard/one", "portguard_trained__mypyc"]
