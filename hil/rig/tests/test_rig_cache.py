"""What is kept between runs: builds, the copy of the tree, saved machines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rig import accel, cache, tree
from rig.errors import BuildError
from rig.machine import Images, Plan
from rig.recipe import AMD64
from rig.scratch import make_scratch

GOOD = accel.Facts(machine="x86_64", device_usable=True, hardware=True, pvm=False)


def test_the_key_changes_with_the_recipe_and_with_the_versions(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    keys = [cache.recipe_key(tmp_path, ["a", "b"])]
    (tmp_path / "b").write_text("3")
    keys.append(cache.recipe_key(tmp_path, ["a", "b"]))
    (tmp_path / "a").write_text("13")
    (tmp_path / "b").write_text("")
    keys.append(cache.recipe_key(tmp_path, ["a", "b"]))
    assert len(set(keys)) == 3
    assert cache.full_key("r", ["7.2.12", "x"]) != cache.full_key("r", ["7.2.13", "x"])
    assert cache.full_key("r", ["7.2.12"]).startswith("r-")


def test_every_file_of_the_recipe_is_there() -> None:
    assert cache.recipe_key() == cache.recipe_key()
    guest = {f"guest/{path.name}" for path in (cache.TREE / "hil/rig/guest").iterdir() if path.is_file()}
    assert guest <= set(cache.RECIPE_FILES)


def test_a_build_happens_once_and_older_ones_go(tmp_path: Path) -> None:
    made = []

    def make(target: Path) -> None:
        made.append(target)
        (target / "in-use").touch()

    old = cache.build_once("thing", "1", make, tmp_path)
    assert cache.build_once("thing", "1", make, tmp_path) == old
    new = cache.build_once("thing", "2", make, tmp_path)
    assert len(made) == 2
    assert not old.exists()
    assert cache.newest("thing", "", tmp_path) == new


def test_a_build_that_fails_leaves_nothing_and_the_older_one(tmp_path: Path) -> None:
    old = cache.build_once("thing", "1", lambda target: (target / "in-use").touch(), tmp_path)

    def fail(target: Path) -> None:
        (target / "half").touch()
        raise BuildError("no mirror")

    with pytest.raises(BuildError, match="no mirror"):
        cache.build_once("thing", "2", fail, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [old.name]


def test_what_is_in_use_is_not_removed(tmp_path: Path) -> None:
    old = cache.build_once("thing", "1", lambda target: (target / "in-use").touch(), tmp_path)
    with cache.in_use(old):
        cache.build_once("thing", "2", lambda target: (target / "in-use").touch(), tmp_path)
        assert old.exists()
    cache.build_once("thing", "3", lambda target: (target / "in-use").touch(), tmp_path)
    assert not old.exists()


def test_the_tree_is_what_git_would_keep(tmp_path: Path) -> None:
    project, copy = tmp_path / "project", tmp_path / "copy"
    (project / "drivers").mkdir(parents=True)
    (project / ".gitignore").write_text("*.so\nignored\n")
    (project / "drivers/a.py").write_text("A = 1\n")
    (project / "drivers/test_a.py").write_text("def test_a() -> None:\n    assert True\n")
    (project / "drivers/c.so").write_bytes(b"elf")
    (project / "ignored").touch()
    (project / "broken.py").write_text("def\n")
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    names = tree.list_files(project)
    assert names == [".gitignore", "broken.py", "drivers/a.py", "drivers/c.so", "drivers/test_a.py"]

    tree.synchronise(project, names, copy, compiled=True)
    compiled = sorted(path.name for path in copy.rglob("*.pyc"))
    assert [name.partition(".")[0] for name in compiled] == ["a", "test_a"]
    assert "pytest" in compiled[1]

    (project / "drivers/a.py").unlink()
    tree.synchronise(project, tree.list_files(project), copy, compiled=False)
    assert sorted(path.name for path in copy.rglob("*") if path.is_file()) == [
        ".gitignore",
        "broken.py",
        "c.so",
        "test_a.py",
    ]


def test_a_saved_machine_fits_one_qemu_and_one_set_of_arguments() -> None:
    images = Images(Path("k"), Path("i"), Path("r"), Path("s"), Path("t"))
    tcg = accel.choose(accel.Facts(**{**GOOD.__dict__, "override": "tcg"}), AMD64)
    kvm = accel.choose(GOOD, AMD64)
    plan = Plan(AMD64, tcg, images)
    other_tree = Plan(AMD64, tcg, Images(Path("k"), Path("i"), Path("r"), Path("s"), Path("t2")))
    assert plan.fingerprint("7") == other_tree.fingerprint("7")
    others = [
        plan.fingerprint("8"),
        Plan(AMD64, kvm, images).fingerprint("7"),
        Plan(AMD64, tcg, images, ("-device", "x")).fingerprint("7"),
        Plan(AMD64, tcg, Images(Path("k"), Path("i"), Path("r"), Path("s2"), Path("t"))).fingerprint("7"),
    ]
    assert len({plan.fingerprint("7"), *others}) == 5


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, foreign = tmp_path / f"farhand-rig-{gone.pid}-abc", tmp_path / "farhand-rig-of-somebody"
    left.mkdir()
    foreign.mkdir()
    with make_scratch(tmp_path) as mine, make_scratch(tmp_path) as other:
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [Path(mine).name, Path(other).name, foreign.name]
        )
