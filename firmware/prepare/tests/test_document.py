"""`farhand.toml`: what it may say, and what a person reads who wrote something else."""

from __future__ import annotations

import pytest

from firmware.prepare.document import Document, parse

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA me@laptop"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMg"
WHOLE = f"""
host_name = "rack7"
password_hash = "{HASH}"
ssh_keys = ["{KEY}"]
time_zone = "Europe/Berlin"
[network]
address = "192.168.1.5/24"
gateway = "192.168.1.1"
dns = ["192.168.1.1", "2001:db8::1"]
[wifi]
name = "Workshop"
password = "at least eight"
country = "DE"
"""


def read(text: str | bytes) -> tuple[Document, list[str]]:
    data = text.encode() if isinstance(text, str) else text
    return parse(data, is_time_zone=lambda name: name == "Europe/Berlin")


def test_everything_that_may_be_set() -> None:
    document, problems = read(WHOLE)
    assert problems == []
    assert document.host_name == "rack7"
    assert document.ssh_keys == (KEY,)
    assert document.network is not None
    assert document.network.dns == ("192.168.1.1", "2001:db8::1")
    assert document.wifi is not None
    assert document.wifi.country == "DE"


def test_an_empty_file_and_one_of_a_windows_editor_are_fine() -> None:
    assert read("") == (Document(), [])
    assert read(b'\xef\xbb\xbfhost_name = "a"\r\n') == (Document(host_name="a"), [])


@pytest.mark.parametrize(
    ("text", "field", "reason"),
    [
        ('host_name = "two words"', "host_name", "letters"),
        ("host_name = 7", "host_name", "text in quotes"),
        ('hostname = "a"', "hostname", "host_name"),
        ('password_hash = "hunter2"', "password_hash", "unknown"),
        ('ssh_keys = ["ssh-ed25519 nonsense"]', "ssh_keys", "number 1"),
        ('ssh_keys = "text"', "ssh_keys", "a list in brackets"),
        ('time_zone = "Berlin"', "time_zone", "Europe/Berlin"),
        ('[network]\naddress = "192.168.1.5"', "network.address", "prefix"),
        ('[network]\naddress = "a/24"', "network.address", "192.168.1.5/24"),
        ('[network]\naddress = "10.0.0.2/8"\ngateway = "192.168.1.1"', "network.gateway", "10.0.0.0/8"),
        ('[network]\naddress = "10.0.0.2/8"\ndns = ["x"]', "network.dns", "192.168.1.1"),
        ('[network]\ngateway = "10.0.0.1"', "network.address", "missing"),
        ('[wifi]\nname = "a"\npassword = "short"\ncountry = "DE"', "wifi.password", "8 to 63"),
        ('[wifi]\nname = "a"\npassword = "long enough"\ncountry = "de"', "wifi.country", "capital"),
        ('[wifi]\nname = "a"\npassword = "long enough"\nland = "DE"', "wifi.land", "country"),
    ],
)
def test_a_mistake_is_told_with_its_field_and_what_would_be_right(text: str, field: str, reason: str) -> None:
    document, problems = read(text)
    assert document == Document()
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{field}: ")
    assert reason in problems[0]


def test_all_mistakes_are_told_at_once() -> None:
    _, problems = read('host_name = 1\ntime_zone = 2\nwhat = "ever"')
    assert [problem.partition(":")[0] for problem in problems] == ["host_name", "time_zone", "what"]


@pytest.mark.parametrize("text", ['[wifi]\npassword = "s3cret', "password = s3cret", b's3cret = "\xff"'])
def test_a_file_that_is_no_toml_is_told_without_quoting_it(text: str | bytes) -> None:
    document, problems = read(text)
    assert document == Document()
    assert len(problems) == 1
    assert "s3cret" not in problems[0]


def test_secrets_do_not_show() -> None:
    document, _ = read(WHOLE)
    assert "at least" not in repr(document)
    assert "c2FsdHNhbHQ" not in repr(document)
    assert "at least" not in repr(document.wifi)
