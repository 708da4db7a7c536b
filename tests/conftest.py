"""What all tests share: the flavour that is under test, the evaluation data, and when a test may be skipped.

On a laptop a test that lacks a program or a data set is skipped with the reason. In CI (CI=true) nothing may be absent:
there a skip is a failure, unless the test is marked `may_skip`.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from portguard.flavour import flavour

IN_CI = os.environ.get("CI") == "true"
LONGEST = ("test_benchmarks", "e2e", "daemon", "cli", "complaints")
BESIDE_THE_CLONE = Path(__file__).resolve().parents[2] / "shared" / "data"


# On a busy machine an example may take any time; how long one takes is for the benchmarks.
settings.register_profile("untimed", settings(), deadline=None)
# For `make quick`.
settings.register_profile("quick", settings(), deadline=None, max_examples=20)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Refuses to test another flavour than the one that PORTGUARD_FLAVOUR asks for."""
    wanted = os.environ.get("PORTGUARD_FLAVOUR", "")
    if wanted not in ("", flavour()):
        raise pytest.UsageError(f"PORTGUARD_FLAVOUR={wanted}, but this portguard is {flavour()}")


def pytest_report_header() -> str:
    """Names the flavour on top of the report."""
    return f"portguard: {flavour()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take long begin: processes side by side would wait for one that began last."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    room = item.path.relative_to(Path(__file__).parent).parts[0].removesuffix(".py")
    return LONGEST.index(room) if room in LONGEST else len(LONGEST)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of evaluation data, which is beside the clone or where PORTGUARD_SHARED_DATA says."""
    folder = Path(os.environ.get("PORTGUARD_SHARED_DATA", BESIDE_THE_CLONE))
    if not folder.is_dir():
        pytest.skip(f"no evaluation data at {folder} (PORTGUARD_SHARED_DATA names another place)")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a skipped test is a failed one."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("may_skip") is None:
        report.outcome = "failed"
        report.longrepr = f"CI must not skip it: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI, a module that skips itself whole is an error."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI must not skip it: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
