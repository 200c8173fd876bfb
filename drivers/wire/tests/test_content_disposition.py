from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import dump_options_header

from drivers.wire.content_disposition import MAX_HEADER_CHARS, file_name_of


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="debian 12.iso"', "debian 12.iso"),
        ("attachment; filename=debian.iso", "debian.iso"),
        ("ATTACHMENT;FileName = debian.iso ; size=3", "debian.iso"),
        ('attachment; filename="a\\"b\\\\\\c.iso"', "c.iso"),
        ("attachment; filename=\"x.iso\"; filename*=UTF-8''%e2%82%ac.iso", "€.iso"),
        ("attachment; filename*=UTF-8'en'%e2%82%ac.iso; filename=\"x.iso\"", "€.iso"),
        ("attachment; filename*=iso-8859-1''%e4.iso", "ä.iso"),
        # What filename* says cannot be used: the plain one is what is left.
        ("attachment; filename*=UTF-8''%ff; filename=x.iso", "x.iso"),
        ("attachment; filename*=koi8-r''a.iso; filename=x.iso", "x.iso"),
        ("attachment; filename*=bogus; filename=x.iso", "x.iso"),
        ("attachment; filename*=UTF-8''; filename=x.iso", "x.iso"),
        # Paths of whatever system are cut to their last part.
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\images\\\\dos.img"', "dos.img"),
        ("attachment; filename*=UTF-8''..%2F..%2Fb.iso", "b.iso"),
        # Plain UTF-8, read as Latin-1 by the HTTP library.
        ('attachment; filename="' + "тест.img".encode().decode("latin-1") + '"', "тест.img"),
        ('attachment; filename="ä.img"', "ä.img"),
        ('attachment; filename="semi;colon.img"', "semi;colon.img"),
        ('attachment; foo="a;filename=no.img"; filename=yes.img', "yes.img"),
        ('attachment; x="y"garbage; filename=yes.img', "yes.img"),
        ("attachment; ; filename=yes.img", "yes.img"),
        ('attachment; filename="a\x00b\n.img"', "a_b_.img"),
        ("attachment", None),
        ("", None),
        ("filename=x.iso", None),
        ('attachment; filename=""', None),
        ('attachment; filename=".."', None),
        ('attachment; filename="dir/"', None),
        ('attachment; filename="unterminated.iso', None),
    ],
)
def test_the_name_is_the_last_part_of_what_the_server_proposes(header: str, name: str | None) -> None:
    assert file_name_of(header) == name


names = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\"), min_size=1, max_size=60
).filter(lambda name: name.strip(".") != "")


@given(names)
def test_every_name_survives_the_extended_form(name: str) -> None:
    assert file_name_of(f"attachment; filename=fallback; filename*=UTF-8''{quote(name, safe='')}") == name


@given(names.filter(str.isascii))
def test_what_another_library_writes_is_read(name: str) -> None:
    assert file_name_of(dump_options_header("attachment", {"filename": name})) == name


@given(st.text(max_size=300))
def test_no_header_gives_a_path_or_breaks_the_parser(header: str) -> None:
    for text in (header, f"attachment; filename={header}", f'attachment; filename="{header}"'):
        name = file_name_of(text)
        if name is not None:
            assert name.isprintable()
            assert name.strip(".")
            assert not set(name) & {"/", "\\", "\x00"}


def test_an_endless_header_costs_little() -> None:
    assert file_name_of("attachment" + "; a=b" * MAX_HEADER_CHARS + "; filename=x") is None
