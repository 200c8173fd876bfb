"""meta.yaml and the manifests, as people write them."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import BadReplyError
from firmware.subsystems.info.documents import MAX_EXTRAS, parse_document, read_extras, read_meta

_PORTS = {"vnc/server/port": 5900}


def _meta(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "meta.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _application(root: Path, name: str, manifest: str) -> None:
    (root / name).mkdir(parents=True)
    (root / name / "manifest.yaml").write_text(manifest, encoding="utf-8")


def test_meta_is_shown_as_it_is(tmp_path: Path) -> None:
    path = _meta(
        tmp_path, "server: {host: kvm-7, room: 3}\ntips: {left: Hello}\nweb: {hide_kvm_button: true}\n"
    )
    assert read_meta(path, "node") == {
        "server": {"host": "kvm-7", "room": 3},
        "tips": {"left": "Hello"},
        "web": {"hide_kvm_button": True},
    }


def test_the_automatic_host_is_the_host_name(tmp_path: Path) -> None:
    assert read_meta(_meta(tmp_path, 'server: {host: "@auto"}'), "node") == {"server": {"host": "node"}}


def test_without_a_file_the_default_document_is_shown(tmp_path: Path) -> None:
    assert read_meta(tmp_path / "meta.yaml", "node") == {"server": {"host": "node"}}
    assert read_meta(tmp_path / "meta.yaml", "other") == {"server": {"host": "other"}}


@pytest.mark.parametrize(
    "text", ["", "server:", "server: {}", "server: text", "- a list", "a: [", "a: b: c", "\t"]
)
def test_a_document_without_a_host_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadReplyError, match=r"(?s)expected .+, got .+ - at .+meta\.yaml"):
        read_meta(_meta(tmp_path, text), "node")


def test_every_yaml_value_becomes_a_json_value(tmp_path: Path) -> None:
    document = parse_document(
        "day: 2024-02-03\nmoment: 2024-02-03T04:05:06Z\nnot: .nan\nendless: -.inf\nraw: !!binary AAEC\n"
        '2: two\ntrue: yes\nset: !!set {b, a}\nhuge: 99999999999999999999999\nbroken: "\\ud800"\n',
        "here",
    )
    assert document == {
        "day": "2024-02-03",
        "moment": "2024-02-03T04:05:06+00:00",
        "not": None,
        "endless": None,
        "raw": None,
        "2": "two",
        "true": True,
        "set": ["a", "b"],
        "huge": "99999999999999999999999",
        "broken": "?",
    }
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [&b [*a]]",
        "a: &a {b: *a}",
        "\n".join(f"k{n}: &k{n} [{', '.join(9 * [f'*k{n - 1}' if n else 'x'])}]" for n in range(9)),
        "a: " + "[" * 500 + "]" * 500,
        "a: " + "[" * 40 + "]" * 40,
        "a: 2024-99-99",
        "a: !!bool maybe",
        "a: !!timestamp soon",
        "a: !!python/object/apply:os.getcwd []",
        "? {a: b}\n: c",
        "a: !!int _",
        "a: \x01",
    ],
    ids=range(12),
)
def test_what_cannot_be_shown_is_refused_and_does_no_harm(text: str) -> None:
    with pytest.raises(BadReplyError, match=r"(?s)expected a YAML document, got .+ - at here"):
        parse_document(text, "here")


@given(text=st.text(alphabet=st.sampled_from("ab:-{}[],&*!?|>'\"#%@ \n\t0.~_x"), max_size=40))
def test_no_text_does_harm(text: str) -> None:
    try:
        document = parse_document(text, "here")
    except BadReplyError:
        return
    assert msgspec.json.decode(msgspec.json.encode(document)) == document


def test_extras(tmp_path: Path) -> None:
    _application(tmp_path, "vnc", "name: VNC\ndaemon: kvmd-vnc\nport: vnc/server/port\nplace: 20\n")
    _application(tmp_path, "ipmi", "name: IPMI\nport: 623\n")
    _application(tmp_path, "my - app!", "name: Mine\nport: no/such/key\n")
    _application(tmp_path, ".hidden", "name: Hidden\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").write_text("no directory")
    assert read_extras(tmp_path, _PORTS.get) == {
        "ipmi": {"name": "IPMI", "port": 623},
        "my_app_": {"name": "Mine", "port": 0},
        "vnc": {"name": "VNC", "daemon": "kvmd-vnc", "port": 5900, "place": 20},
    }


def test_a_broken_manifest_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _application(tmp_path, "good", "name: Good\n")
    _application(tmp_path, "broken", "name: [\n")
    _application(tmp_path, "list", "- a\n- b\n")
    assert read_extras(tmp_path, _PORTS.get) == {"good": {"name": "Good"}}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "broken/manifest.yaml" in caplog.text


def test_without_a_folder_there_are_no_extras(tmp_path: Path) -> None:
    assert read_extras(tmp_path / "extras", _PORTS.get) == {}
    (tmp_path / "extras").touch()
    with pytest.raises(NotADirectoryError):
        read_extras(tmp_path / "extras", _PORTS.get)


def test_the_number_of_extras_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for index in range(MAX_EXTRAS + 5):
        _application(tmp_path, f"app{index:03}", "name: App\n")
    extras = read_extras(tmp_path, _PORTS.get)
    assert list(extras) == [f"app{index:03}" for index in range(MAX_EXTRAS)]
    assert f"at most {MAX_EXTRAS}" in caplog.text
