"""Compiles for the guest what it would compile itself at every start, fifteen times slower.

Plain modules become bytecode that is never checked against its source. Modules whose asserts pytest rewrites
(tests, conftests, and all of its plugins' packages) get pytest's own cache files, which it checks by a hash.
"""

from __future__ import annotations

import ast
import importlib.util
import io
import py_compile
import sys
from collections.abc import Iterable
from configparser import ConfigParser
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from _pytest.assertion.rewrite import PYC_TAIL, _write_pyc_fp, rewrite_asserts

CACHE_DIRECTORY = "__pycache__"
_REWRITTEN = ("test_*.py", "*_test.py", "conftest.py")
_NO_BYTECODE = (SyntaxError, UnicodeDecodeError, ValueError, py_compile.PyCompileError)
"""What a source raises that cannot be compiled: the guest reports it where it is imported."""


def same_python(version: str) -> bool:
    """Whether this Python's bytecode is that of the guest's *version* (`3.13`): a minor version decides."""
    return version == f"{sys.version_info.major}.{sys.version_info.minor}"


def is_test(name: str) -> bool:
    """Whether pytest rewrites the file of that name by default."""
    return any(fnmatch(name, pattern) for pattern in _REWRITTEN)


def bytecode_path(source: Path, *, rewritten: bool) -> Path:
    """Where the interpreter, or pytest, looks for the bytecode of *source*."""
    tail = PYC_TAIL if rewritten else f".{sys.implementation.cache_tag}.pyc"
    return source.parent / CACHE_DIRECTORY / (source.stem + tail)


def compile_source(source: Path, shown: str, *, rewritten: bool) -> None:
    """Compile one file; *shown* is its path in the guest, for tracebacks and coverage."""
    target = bytecode_path(source, rewritten=rewritten)
    target.unlink(missing_ok=True)
    # A file that is not Python 3.13, or broken on purpose, is left to the guest.
    with suppress(*_NO_BYTECODE):
        if rewritten:
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(_rewrite(source.read_bytes(), shown))
        else:
            unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(source), str(target), shown, doraise=True, invalidation_mode=unchecked)


def compile_packages(site: Path, shown: str) -> None:
    """Compile all of a directory of installed packages; *shown* is where the guest has it."""
    rewritten = set(_plugin_files(site))
    for source in sorted(site.rglob("*.py")):
        name = source.relative_to(site)
        compile_source(source, f"{shown}/{name}", rewritten=False)
        if name in rewritten:
            compile_source(source, f"{shown}/{name}", rewritten=True)


def _plugin_files(site: Path) -> Iterable[Path]:
    """Sources of each distribution with a pytest plugin, relative to *site*: pytest rewrites all of it."""
    for points in site.glob("*.dist-info/entry_points.txt"):
        parser = ConfigParser(delimiters=("=",), interpolation=None)
        parser.read_string(points.read_text())
        if parser.has_section("pytest11"):
            for line in points.with_name("RECORD").read_text().splitlines():
                name = line.partition(",")[0]
                if name.endswith(".py"):
                    yield Path(name)


def _rewrite(source: bytes, shown: str) -> bytes:
    tree = ast.parse(source, filename=shown)
    rewrite_asserts(tree, source, shown, None)
    code = compile(tree, shown, "exec", dont_inherit=True)
    file = io.BytesIO()
    _write_pyc_fp(file, importlib.util.source_hash(source), code)
    return file.getvalue()
