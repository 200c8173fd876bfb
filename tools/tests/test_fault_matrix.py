"""The fault matrix: every cell is declared, tested and in the document, and its tool tells the truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.fault_matrix import marks, results, table
from tools.fault_matrix.declaration import DRIVERS, FAULTS, NO_DEVICE
from tools.fault_matrix.results import Result

ROOT = Path(__file__).resolve().parents[2]


def test_each_cell_is_to_be_tested_or_says_why_not() -> None:
    for name, driver in DRIVERS.items():
        assert set(driver.tested) | set(driver.exempt) == set(FAULTS), name
        assert not set(driver.tested) & set(driver.exempt), name
        assert all(driver.exempt.values()), name


def test_each_module_of_the_drivers_has_its_row() -> None:
    owners = [*(path for driver in DRIVERS.values() for path in driver.modules), *NO_DEVICE]
    assert [owner for owner in owners if not (ROOT / "drivers" / owner).exists()] == []
    homeless = [
        str(path.relative_to(ROOT / "drivers"))
        for path in (ROOT / "drivers").rglob("*.py")
        if path.name != "__init__.py" and "tests" not in path.parts
        if not any(path.is_relative_to(ROOT / "drivers" / owner) for owner in owners)
    ]
    assert homeless == [], "a new module belongs to a driver of tools/fault_matrix/declaration.py"


def test_each_cell_that_applies_has_a_marked_test() -> None:
    marked = {(mark.driver, fault) for mark in marks.find(ROOT) for fault in mark.faults}
    wanted = {(name, fault) for name, driver in DRIVERS.items() for fault in driver.tested}
    assert sorted(wanted - marked) == []


def test_the_document_has_the_declared_cells() -> None:
    shown = table.cells((ROOT / "docs/reliability.md").read_text("utf-8"))
    expected = table.expected()
    assert list(shown) == list(expected), "run `just fault-matrix`"
    for cell, text in expected.items():
        assert shown[cell] == text if text else not shown[cell].startswith(table.NOT_APPLICABLE), cell


def test_what_is_rendered_is_read_back() -> None:
    ran = [
        Result("drivers/a.py::one", results.HOST, "gadget HID", ("EIO", "stalls"), "passed"),
        Result("drivers/a.py::two", results.RIG, "gadget HID", ("EIO",), "passed"),
        Result("drivers/a.py::three", results.RIG, "gadget HID", ("stalls",), "failed"),
        Result("drivers/a.py::four", results.RIG, "gadget HID", ("missing",), "skipped"),
    ]
    document = table.put(f"before {table.BEGIN} former {table.END} after", table.render(ran, "yesterday"))
    assert document.startswith("before ")
    assert document.endswith(" after")
    assert "former" not in document
    shown = table.cells(document)
    assert shown["gadget HID", "EIO"] == "✓ host, rig"
    assert shown["gadget HID", "stalls"] == "**fails**: rig"
    assert shown["gadget HID", "missing"] == "not run"
    assert shown["gadget HID", "killed"] == "n/a is no process"
    assert shown.keys() == table.expected().keys()
    with pytest.raises(ValueError, match="expected <!--"):
        table.put("no markers", "")


def test_the_last_result_counts(tmp_path: Path) -> None:
    for outcome in ("failed", "passed"):
        results.append(tmp_path / "lines", [Result("t.py::a", "host", "QEMU", ("killed",), outcome)])
    assert [one.outcome for one in results.read([tmp_path / "lines"])] == ["passed"]
    (tmp_path / "lines").write_text("{}\n")
    with pytest.raises(ValueError, match="lines:1: "):
        results.read([tmp_path / "lines"])


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("pytest.mark.fault('toaster', 'EIO')", "expected a driver of"),
        ("pytest.mark.fault()", "expected a driver of"),
        ("pytest.mark.fault('QEMU')", "at least one fault"),
        ("pytest.mark.fault('QEMU', 'boredom')", "expected one of the faults"),
        ("pytest.mark.fault('QEMU', 'ENOSPC')", "declared not to apply: keeps no files"),
        ("pytest.mark.fault('QEMU', name)", "literal texts"),
    ],
)
def test_a_wrong_mark_is_named_with_its_place(source: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=rf"test_x\.py:2: .*{wrong}"):
        list(marks.in_source(f"\n@{source}\ndef test_x(): ...", "test_x.py"))


def test_marked_tests_leave_their_results(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("pytest_plugins = ['tools.fault_matrix.plugin']")
    pytester.makepyfile(
        test_marked="""
        import pytest

        @pytest.mark.fault("QEMU", "killed", "returns")
        @pytest.mark.fault("emulated PC", "stalls")
        def test_good(): pass

        @pytest.mark.fault("QEMU", "garbage")
        def test_bad(): assert False

        @pytest.mark.fault("QEMU", "stalls")
        def test_skipped(): pytest.skip("no QEMU")

        @pytest.fixture
        def falls(): yield; assert False

        @pytest.mark.qemu
        @pytest.mark.fault("QEMU", "missing")
        def test_torn_down(falls): pass

        def test_unmarked(): pass
        """
    )
    done = pytester.runpytest_inprocess(
        "-o", "addopts=", "-o", "markers=qemu", "-p", "no:cacheprovider", "--fault-results", "out/lines"
    )
    done.assert_outcomes(passed=3, failed=1, skipped=1, errors=1)
    found = {(one.driver, one.faults, one.kind, one.outcome) for one in results.read([Path("out/lines")])}
    assert found == {
        ("QEMU", ("killed", "returns"), "host", "passed"),
        ("emulated PC", ("stalls",), "host", "passed"),
        ("QEMU", ("garbage",), "host", "failed"),
        ("QEMU", ("stalls",), "host", "skipped"),
        ("QEMU", ("missing",), "QEMU", "failed"),
    }
