"""The Redfish service over a real socket: the contract (http.md 4.8), and what clients expect beyond it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import trio

from api.redfish.metadata import COLLECTIONS, VERSIONED

JSON = "application/json; charset=utf-8"
RESET = "/redfish/v1/Systems/0/Actions/ComputerSystem.Reset"


async def document(live: Any, path: str) -> dict[str, Any]:
    answer = await live.http.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == JSON
    assert answer.headers["odata-version"] == "4.0"
    result: dict[str, Any] = answer.json()
    return result


def refused(answer: httpx.Response, status: int, error: str, message: str) -> None:
    """Check a refusal in both dialects."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert (body["ok"], body["result"]["error"]) == (False, error)
    assert body["result"]["error_msg"] == body["error"]["message"]
    info = body["error"]["@Message.ExtendedInfo"][0]
    assert info["MessageId"] == body["error"]["code"] == f"Base.1.18.{message}"
    assert answer.headers["odata-version"] == "4.0"


async def powered(live: Any, *, on: bool) -> None:
    with trio.fail_after(20):
        while (await document(live, "/redfish/v1/Systems/0"))["PowerState"] != ("On" if on else "Off"):
            await trio.sleep(0.05)


# -- documents of the contract ---------------------------------------------------------------------------


async def test_the_root_is_public_and_the_rest_is_not(live: Any) -> None:
    async with live.anonymous() as client:
        for path in ("/redfish/v1", "/api/redfish/v1", "/redfish/v1/", "/redfish//v1"):
            root = (await client.get(path)).json()
            assert root["@odata.id"] == "/redfish/v1"
            assert root["@odata.type"] == "#ServiceRoot.v1_6_0.ServiceRoot"
            assert (root["Id"], root["Name"]) == ("RootService", "Root Service")
            assert root["RedfishVersion"] == "1.6.0"
            assert root["Systems"] == {"@odata.id": "/redfish/v1/Systems"}
            assert root["Managers"] == {"@odata.id": "/redfish/v1/Managers"}
        assert (await client.get("/redfish")).json() == {"v1": "/redfish/v1/"}
        refused(await client.get("/redfish/v1/Systems"), 401, "UnauthorizedError", "NoValidSession")
        wrong = {"X-KVMD-User": "admin", "X-KVMD-Passwd": "no"}
        answer = await client.get("/redfish/v1/Systems", headers=wrong)
        refused(answer, 403, "ForbiddenError", "InsufficientPrivilege")
        answer = await client.get("/redfish/v1/Systems", headers={"Cookie": "auth_token=x"})
        refused(answer, 400, "ValidatorError", "GeneralError")
        assert (await client.get("/redfish/v1/Systems", auth=("admin", "admin"))).status_code == 200


async def test_systems(live: Any) -> None:
    await powered(live, on=True)
    assert await document(live, "/redfish/v1/Systems") == {
        "@odata.id": "/redfish/v1/Systems",
        "@odata.type": "#ComputerSystemCollection.ComputerSystemCollection",
        "Name": "Computer System Collection",
        "Members": [{"@odata.id": "/redfish/v1/Systems/0"}],
        "Members@odata.count": 1,
    }
    system = await document(live, "/api/redfish/v1/Systems/0/")
    uri = "/redfish/v1/Systems/0"
    assert system["@odata.id"] == uri
    assert system["@odata.type"] == "#ComputerSystem.v1_10_0.ComputerSystem"
    assert system["Id"] == "0"
    assert re.fullmatch(r"[A-Za-z0-9_.]+", system["HostName"])
    assert system["PowerState"] == "On"
    assert system["Actions"] == {
        "#ComputerSystem.Reset": {
            "ResetType@Redfish.AllowableValues": [
                "On",
                "ForceOff",
                "GracefulShutdown",
                "ForceRestart",
                "ForceOn",
                "PushPowerButton",
            ],
            "target": f"{uri}/Actions/ComputerSystem.Reset",
        },
        "#ComputerSystem.SetDefaultBootOrder": {
            "target": f"{uri}/Actions/ComputerSystem.SetDefaultBootOrder"
        },
    }
    assert system["Boot"]["BootSourceOverrideEnabled"] == "Disabled"
    assert system["Boot"]["BootSourceOverrideTarget"] is None
    answer = await live.http.post(f"{uri}/Actions/ComputerSystem.SetDefaultBootOrder", json={})
    refused(answer, 404, "NotFoundError", "ResourceMissingAtURI")


@pytest.mark.parametrize(
    "name", ["1", "SwitchPort0", "SwitchPort", "SwitchPort-1", "SwitchPort01", "switchport0"]
)
async def test_systems_that_are_not_there(live: Any, name: str) -> None:
    refused(await live.http.get(f"/redfish/v1/Systems/{name}"), 400, "HttpError", "ResourceNotFound")


async def test_the_host_name_is_that_of_meta(live_with: Callable[[str], Any], tmp_path: Any) -> None:
    meta = tmp_path / "meta.yaml"
    meta.write_text("server: {host: my-target.lan}\n")
    async with live_with(f"kvmd: {{info: {{meta: {meta}}}}}") as live:
        assert (await document(live, "/redfish/v1/Systems/0"))["HostName"] == "my_target.lan"


async def test_without_atx_there_is_no_own_system_to_power(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {atx: {type: disabled}}") as live:
        assert (await document(live, "/redfish/v1/Systems"))["Members"] == []
        assert (await document(live, "/redfish/v1/Systems/0"))["PowerState"] == "Off"
        assert (await live.http.post(RESET, json={"ResetType": "On"})).status_code == 204


# -- power ---------------------------------------------------------------------------


async def test_reset_off_and_on_again(live: Any) -> None:
    await powered(live, on=True)
    answer = await live.http.post(RESET, json={"ResetType": "GracefulShutdown"})
    assert (answer.status_code, answer.content) == (204, b"")
    answer = await live.http.post(RESET, json={"ResetType": "PushPowerButton"})
    refused(answer, 409, "AtxIsBusyError", "ResourceInUse")
    await powered(live, on=False)
    for reset_type in (
        "ForceOff",
        "GracefulShutdown",
        "ForceRestart",
    ):  # nothing to do for a machine that is off
        assert (await live.http.post(RESET, json={"ResetType": reset_type})).status_code == 204
    with trio.fail_after(20):
        while live.appliance.atx.state.value.busy:
            await trio.sleep(0.05)
    # The content type means nothing.
    answer = await live.http.post(
        "/api" + RESET, content=b'{"ResetType": "On"}', headers={"Content-Type": "x/y"}
    )
    assert answer.status_code == 204
    await powered(live, on=True)
    resets = live.pc.observer.resets
    assert (await live.http.post(RESET, json={"ResetType": "ForceRestart"})).status_code == 204
    with trio.fail_after(20):
        await live.pc.observer.wait_until(lambda: live.pc.observer.resets == resets + 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "MalformedJSON"),
        (b"ResetType=On", "MalformedJSON"),
        (b"[]", "MalformedJSON"),
        (b"\xff", "MalformedJSON"),
        (b"{}", "ActionParameterMissing"),
        (b'{"ResetType": null}', "ActionParameterMissing"),
        (b'{"ResetType": "on"}', "ActionParameterValueNotInList"),
        (b'{"ResetType": "PowerCycle"}', "ActionParameterValueNotInList"),
        (b'{"ResetType": 1}', "ActionParameterValueNotInList"),
    ],
)
async def test_resets_that_are_refused(live: Any, body: bytes, message: str) -> None:
    refused(await live.http.post(RESET, content=body), 400, "HttpError", message)
    assert live.appliance.atx.state.value.busy is False


async def test_resets_of_systems_that_are_not_there(live: Any) -> None:
    path = "/redfish/v1/Systems/{}/Actions/ComputerSystem.Reset"
    refused(
        await live.http.post(path.format("x"), json={"ResetType": "On"}), 400, "HttpError", "ResourceNotFound"
    )
    for reset_type in ("On", "PushPowerButton"):
        answer = await live.http.post(path.format("SwitchPort7"), json={"ResetType": reset_type})
        assert answer.status_code == 204


@pytest.mark.parametrize("name", ["0", "SwitchPort9", "whatever"])
@pytest.mark.parametrize("body", [b"", b"no JSON", b'{"AssetTag": "x"}'])
async def test_a_patch_that_changes_nothing_is_accepted(live: Any, name: str, body: bytes) -> None:
    answer = await live.http.patch(f"/redfish/v1/Systems/{name}", content=body)
    assert (answer.status_code, answer.content) == (204, b"")


# -- the protocol ---------------------------------------------------------------------------


async def test_entity_tags(live: Any) -> None:
    first = await live.http.get("/redfish/v1/Managers")
    tag = first.headers["etag"]
    for given in (tag, f'W/{tag}, "x"', "*"):
        answer = await live.http.get("/redfish/v1/Managers", headers={"If-None-Match": given})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    answer = await live.http.get("/redfish/v1/Managers", headers={"If-None-Match": '"x"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, tag)
    await powered(live, on=True)
    uri = "/redfish/v1/Systems/0"
    tag = (await live.http.get(uri)).headers["etag"]
    assert (await live.http.patch(uri, json={}, headers={"If-Match": tag})).status_code == 204
    answer = await live.http.patch(uri, json={}, headers={"If-Match": '"other"'})
    refused(answer, 412, "PreconditionFailedError", "PreconditionFailed")


async def test_methods_and_unknown_uris(live: Any) -> None:
    answer = await live.http.get("/redfish/v1/Systems/0")
    assert answer.headers["allow"] == "GET, PATCH"
    schema = "https://redfish.dmtf.org/schemas/v1/ComputerSystem.v1_10_0.json"
    assert answer.headers["link"] == f"<{schema}>; rel=describedby"
    answer = await live.http.delete("/redfish/v1/Systems")
    refused(answer, 405, "MethodNotAllowedError", "OperationNotAllowed")
    assert answer.headers["allow"] == "GET"
    refused(await live.http.get("/redfish/v1/Nothing"), 404, "NotFoundError", "ResourceMissingAtURI")
    refused(await live.http.get("/api/redfish/v2"), 404, "NotFoundError", "ResourceMissingAtURI")
    answer = await live.http.post(RESET, content=b"x" * 100_000)
    assert answer.status_code == 413
    # What only begins like the service's URIs is none of its.
    assert "error" not in (await live.http.get("/redfishing")).json()


async def tree(live: Any) -> dict[str, dict[str, Any]]:
    """Read every resource that the root leads to."""
    found: dict[str, dict[str, Any]] = {}
    waiting = ["/redfish/v1"]

    def follow(value: Any) -> None:
        if isinstance(value, dict):
            target = value.get("@odata.id")
            if isinstance(target, str) and target not in found:
                waiting.append(target)
            for item in value.values():
                follow(item)
        elif isinstance(value, list):
            for item in value:
                follow(item)

    while waiting:
        uri = waiting.pop()
        if uri not in found:
            found[uri] = await document(live, uri)
            follow(found[uri])
    return found


async def test_every_link_leads_somewhere_and_every_type_is_in_the_metadata(live: Any) -> None:
    await live.http.post(
        "/redfish/v1/SessionService/Sessions", json={"UserName": "admin", "Password": "admin"}
    )
    found = await tree(live)
    types = {found[uri]["@odata.type"].removeprefix("#").partition(".")[0] for uri in found}
    for uri, resource in found.items():
        assert resource["@odata.id"] == uri
        assert resource["Name"]
    answer = await live.http.get("/redfish/v1/$metadata")
    assert answer.headers["content-type"].startswith("application/xml")
    edmx = "{http://docs.oasis-open.org/odata/ns/edmx}"
    included = {include.get("Namespace") for include in ET.fromstring(answer.text).iter(f"{edmx}Include")}
    assert {resource["@odata.type"][1:].rpartition(".")[0] for resource in found.values()} <= included
    optional = {"EthernetInterface", "LogEntry", "Task"}  # of which there may be none
    assert types | optional == {*COLLECTIONS, *VERSIONED}
    services = (await document(live, "/redfish/v1/odata"))["value"]
    assert {service["url"] for service in services} <= set(found)
    schema = ET.fromstring((await live.http.get("/redfish/v1/schema/PiKVMVirtualMedia_v1.xml")).text)
    assert schema.tag == f"{edmx}Edmx"


async def test_members_that_are_not_there(live: Any) -> None:
    for path in ("Chassis/7", "Managers/BMC/EthernetInterfaces/nope0", "AccountService/Accounts/nobody"):
        answer = await live.http.get(f"/redfish/v1/{path}")
        refused(answer, 404, "NotFoundError", "ResourceMissingAtURI")


async def test_the_manager_says_where_it_serves(live: Any) -> None:
    protocol = await document(live, "/redfish/v1/Managers/BMC/NetworkProtocol")
    assert protocol["HTTPS"]["ProtocolEnabled"] is False
    assert protocol["HTTP"] == {"ProtocolEnabled": True, "Port": int(live.url.rsplit(":", 1)[1].strip("/"))}
    manager = await document(live, "/redfish/v1/Managers/BMC")
    assert manager["Links"]["ManagerForServers"] == [{"@odata.id": "/redfish/v1/Systems/0"}]
    assert (manager["Id"], manager["ManagerType"]) == ("BMC", "BMC")


async def test_the_log_of_the_appliance(live: Any) -> None:
    async with live.anonymous() as client:
        await client.get("/redfish/v1/Systems", auth=("admin", "wrong"))
    log = "/redfish/v1/Managers/BMC/LogServices/Log"
    entries = await document(live, f"{log}/Entries")
    assert entries["Members@odata.count"] == len(entries["Members"]) > 0
    newest = entries["Members"][0]
    assert "Refused the credentials of admin" in newest["Message"]
    assert newest["Severity"] == "Warning"
    assert await document(live, newest["@odata.id"]) == newest
    answer = await live.http.get(f"{log}/Entries/0")
    refused(answer, 404, "NotFoundError", "ResourceMissingAtURI")


async def test_a_log_that_may_not_be_read(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {log_reader: {enabled: false}}") as live:
        answer = await live.http.get("/redfish/v1/Managers/BMC/LogServices/Log/Entries")
        refused(answer, 400, "LogReaderDisabledError", "GeneralError")


# -- sessions ---------------------------------------------------------------------------


async def test_a_session_from_login_to_logout(live: Any) -> None:
    sessions = "/redfish/v1/SessionService/Sessions"
    async with live.anonymous() as client:
        credentials = {"UserName": "admin", "Password": "admin"}
        answers = [await client.post(sessions, json=credentials) for _ in range(2)]
        answer = answers[0]
        assert answer.status_code == 201
        token = answer.headers["x-auth-token"]
        assert re.fullmatch(r"[0-9a-f]{64}", token)
        location = answer.headers["location"]
        assert answer.json()["@odata.id"] == location
        assert token not in answer.text
        headers = {"X-Auth-Token": token}
        members = (await client.get(sessions, headers=headers)).json()["Members"]
        assert {"@odata.id": location} in members
        shown = (await client.get(location, headers=headers)).json()
        assert (shown["UserName"], shown["Id"]) == ("admin", location.rpartition("/")[2])
        # The same token is a cookie to the rest of the API, where the header counts for nothing.
        assert (await client.get("/api/atx", headers={"Cookie": f"auth_token={token}"})).status_code == 200
        assert (await client.get("/api/atx", headers=headers)).status_code == 401
        assert (await client.delete(location, headers=headers)).status_code == 204
        answer = await client.get(sessions, headers=headers)
        refused(answer, 401, "UnauthorizedError", "NoValidSession")
        # Only that one: the other session of the same user goes on.
        other = {"X-Auth-Token": answers[1].headers["x-auth-token"]}
        assert (await client.get(sessions, headers=other)).status_code == 200
        for method in ("GET", "DELETE"):
            answer = await client.request(method, location, headers=other)
            refused(answer, 404, "NotFoundError", "ResourceMissingAtURI")


@pytest.mark.parametrize("token", ["x", "0" * 64, "ä"])
async def test_tokens_that_are_nobodys(live: Any, token: str) -> None:
    async with live.anonymous() as client:
        answer = await client.get("/redfish/v1/Systems", headers=[(b"X-Auth-Token", token.encode())])
        refused(answer, 401, "UnauthorizedError", "NoValidSession")


@pytest.mark.parametrize(
    ("body", "status", "error", "message"),
    [
        ({"UserName": "admin", "Password": "no"}, 401, "UnauthorizedError", "NoValidSession"),
        ({"UserName": "nobody", "Password": "admin"}, 401, "UnauthorizedError", "NoValidSession"),
        ({"UserName": "admin"}, 400, "HttpError", "PropertyMissing"),
        ({"Password": "admin"}, 400, "HttpError", "PropertyMissing"),
        ({"UserName": ["admin"], "Password": "admin"}, 400, "ValidatorError", "GeneralError"),
        ([], 400, "HttpError", "MalformedJSON"),
    ],
)
async def test_logins_that_are_refused(live: Any, body: Any, status: int, error: str, message: str) -> None:
    async with live.anonymous() as client:
        answer = await client.post("/redfish/v1/SessionService/Sessions", json=body)
        refused(answer, status, error, message)
        assert "x-auth-token" not in answer.headers


async def test_sessions_while_authentication_is_off(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {auth: {enabled: false}}") as live, live.anonymous() as client:
        credentials = {"UserName": "admin", "Password": "any"}
        answer = await client.post("/redfish/v1/SessionService/Sessions", json=credentials)
        headers = {"X-Auth-Token": answer.headers["x-auth-token"]}
        assert (await client.get("/redfish/v1/Systems", headers=headers)).status_code == 200
        assert (await client.delete(answer.headers["location"], headers=headers)).status_code == 204
        assert (await client.get("/redfish/v1/AccountService")).json()["ServiceEnabled"] is False


async def test_accounts(live_with: Callable[[str], Any]) -> None:
    async with live_with("kvmd: {auth: {expire: 3600}}") as live:
        assert (await document(live, "/redfish/v1/SessionService"))["SessionTimeout"] == 3600
        members = (await document(live, "/redfish/v1/AccountService/Accounts"))["Members"]
        assert members == [{"@odata.id": "/redfish/v1/AccountService/Accounts/admin"}]
        account = await document(live, members[0]["@odata.id"])
        assert (account["UserName"], account["RoleId"], account["Password"]) == (
            "admin",
            "Administrator",
            None,
        )
