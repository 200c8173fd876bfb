"""The bill of materials."""

from __future__ import annotations

from pathlib import Path

from image.build.sbom import bill, distributions, installed_packages

STATUS = (
    "Package: bash\nStatus: install ok installed\nVersion: 1:5.2+b1\nArchitecture: arm64\n\n"
    "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: arm64\n"
)


def test_only_installed_packages_are_in_it() -> None:
    assert [one["purl"] for one in installed_packages(STATUS)] == [
        "pkg:deb/debian/bash@1%3A5.2%2Bb1?arch=arm64&distro=trixie"
    ]


def test_python_distributions_are_named_as_the_index_names_them(tmp_path: Path) -> None:
    folder = tmp_path / "Foo_Bar-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 1.0\n\nText\n")
    assert [one["purl"] for one in distributions(tmp_path)] == ["pkg:pypi/foo-bar@1.0"]


def test_the_same_contents_give_the_same_document() -> None:
    components = list(installed_packages(STATUS))
    one = bill("rpi4", "1.0", 0, components)
    assert one == bill("rpi4", "1.0", 0, [*components, *components])
    assert one["serialNumber"] != bill("rpi4", "1.1", 0, components)["serialNumber"]
    assert one["metadata"] == {
        "timestamp": "1970-01-01T00:00:00Z",
        "component": {"type": "firmware", "name": "farhand-rpi4", "version": "1.0"},
    }
