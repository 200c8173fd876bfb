from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from api.wire import tus


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


keys = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=20
)
texts = st.text(max_size=60)


@given(
    st.integers(0, 2**63 - 1), st.dictionaries(keys, texts, max_size=6), st.sampled_from([",", ", ", " ,"])
)
def test_a_creation_says_size_and_metadata(length: int, metadata: Mapping[str, str], comma: str) -> None:
    raw = comma.join(f"{key} {encoded(value)}" if value else key for key, value in metadata.items())
    found = tus.creation({"Upload-Length": str(length), "Upload-Metadata": raw})
    assert found == tus.Creation(length, metadata, raw)


@given(st.integers(0, 2**63 - 1), st.binary(max_size=50), st.sampled_from(["sha1", "sha256"]))
def test_an_append_says_offset_and_checksum(offset: int, body: bytes, algorithm: str) -> None:
    digest = hashlib.new(algorithm, body).digest()
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    assert tus.append(headers) == tus.Append(offset, None)
    assert tus.append({**headers, "Content-Type": "Application/Offset+Octet-Stream; x=y"}).offset == offset
    found = tus.append({**headers, "Upload-Checksum": f"{algorithm} {base64.b64encode(digest).decode()}"})
    assert found.offset == offset
    assert found.checksum is not None
    assert (found.checksum.algorithm, found.checksum.digest) == (algorithm, digest)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Checksum", "Tus-Resumable"),
                *("Content-Type", "Upload-Defer-Length"),
            ]
        ),
        st.one_of(
            st.text(max_size=100),
            st.integers().map(str),
            st.just(tus.MEDIA_TYPE),
            st.from_regex(r"(sha1|sha256|md5) [A-Za-z0-9+/=]{0,50}", fullmatch=True),
        ),
    )
)
def test_whatever_comes_is_understood_or_refused_with_the_header_named(headers: dict[str, str]) -> None:
    for read in (tus.creation, tus.append, tus.require_version):
        try:
            read(headers)
        except (tus.TusHeaderError, tus.TusVersionError, tus.TusMediaTypeError) as exc:
            assert re.search("Upload-|Tus-|Content-Type", str(exc))
            assert exc.status in (400, 412, 415)
            assert str(exc).isprintable()


@pytest.mark.parametrize(
    "text", [None, "", "-1", "+1", "1.0", "0x10", "1_0", "\N{ARABIC-INDIC DIGIT ONE}", str(2**63), "9" * 30]
)
def test_a_number_of_bytes_is_digits(text: str | None) -> None:
    headers = {} if text is None else {"Upload-Length": text}
    with pytest.raises(tus.TusHeaderError, match=r"expected a number of bytes, got .* - at Upload-Length"):
        tus.creation(headers)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("filename a", "expected UTF-8 text in base64"),
        ("filename " + base64.b64encode(b"\xff").decode(), "expected UTF-8 text in base64"),
        ("filename ü", "expected ASCII"),
        ("filename YQ==\xa0", "expected ASCII"),
        ("a YQ==,a YQ==", "expected each key once"),
        ("a YQ==,,b YQ==", "expected a key of printable ASCII"),
        ("\t\x7f YQ==", "expected a key of printable ASCII"),
        ("a " + "A" * tus.MAX_METADATA_CHARS, "expected at most 4096 characters"),
    ],
)
def test_malformed_metadata_is_refused(raw: str, why: str) -> None:
    with pytest.raises(tus.TusHeaderError, match=why):
        tus.parse_metadata(raw)


@pytest.mark.parametrize(
    "raw",
    ["", "sha1", "sha1 AAAA", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0", "sha256 ä"],
)
def test_a_malformed_checksum_is_refused(raw: str) -> None:
    with pytest.raises(tus.TusHeaderError, match="at Upload-Checksum"):
        tus.parse_checksum(raw)


@pytest.mark.parametrize("name", ["Upload-Defer-Length", "Upload-Concat"])
def test_what_is_not_offered_is_refused(name: str) -> None:
    with pytest.raises(tus.TusHeaderError, match=name):
        tus.creation({"Upload-Length": "1", name: "1"})


def test_only_version_1_0_0_is_spoken() -> None:
    tus.require_version({"Tus-Resumable": "1.0.0"})
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        with pytest.raises(tus.TusVersionError, match=r"expected 1\.0\.0"):
            tus.require_version(headers)


def test_names_of_headers_are_read_in_any_case() -> None:
    headers = Headers(
        {"tus-resumable": "1.0.0", "UPLOAD-LENGTH": "7", "upload-metadata": f"filename {encoded('a')}"}
    )
    tus.require_version(headers)
    assert tus.creation(headers).metadata == {"filename": "a"}


@pytest.mark.parametrize("media_type", ["", "application/octet-stream", "text/plain"])
def test_a_part_is_announced_as_one(media_type: str) -> None:
    with pytest.raises(tus.TusMediaTypeError, match="expected application/offset"):
        tus.append({"Upload-Offset": "0", "Content-Type": media_type})
