"""Files for other services, of the settings of the boot partition."""

from __future__ import annotations

from pathlib import PurePosixPath

from firmware.prepare.document import Document, Network, Wifi
from firmware.prepare.render import IWD_SETTINGS, KEYS_FILE, NETWORK_FILE, PRIVATE, render


def test_without_settings_the_network_asks_for_an_address_and_nobody_may_log_in() -> None:
    files = render(Document(), "rack7")
    assert NETWORK_FILE not in files
    assert KEYS_FILE not in files
    assert any("https://rack7.local/" in file.text for file in files.values())


def test_a_fixed_address() -> None:
    network = Network(address="10.0.0.2/8", gateway="10.0.0.1", dns=("10.0.0.3", "10.0.0.4"))
    lines = render(Document(network=network), "a")[NETWORK_FILE].text.splitlines()
    assert "Address=10.0.0.2/8" in lines
    assert "Gateway=10.0.0.1" in lines
    assert [line for line in lines if line.startswith("DNS=")] == ["DNS=10.0.0.3", "DNS=10.0.0.4"]
    assert not any(line.startswith("DHCP=") for line in lines)


def test_wifi_is_for_iwd_and_its_password_for_nobody_else() -> None:
    wifi = Wifi(name="Work shop", password="a\\b secret", country="DE")
    files = render(Document(wifi=wifi), "a")
    network = files[PurePosixPath("var/lib/iwd/Work shop.psk")]
    assert "Passphrase=a\\\\b secret\n" in network.text
    assert network.mode == PRIVATE
    assert "secret" not in repr(network)
    assert "Country=DE" in files[IWD_SETTINGS].text


def test_names_that_are_no_file_names_are_written_in_hexadecimal() -> None:
    wifi = Wifi(name="../Café", password="long enough", country="DE")
    assert PurePosixPath("var/lib/iwd/=2e2e2f436166c3a9.psk") in render(Document(wifi=wifi), "a")
