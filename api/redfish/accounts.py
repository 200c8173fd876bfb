"""Accounts: who may log in, read-only; they are made and changed with `farhand passwd`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.redfish.answers import Document
from api.redfish.errors import NotFoundError
from api.redfish.handles import RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Resource, collection, link
from api.routing import Call
from firmware.subsystems.auth.rights import Capability

SERVICE: Final = f"{ROOT}/AccountService"
ACCOUNTS: Final = f"{SERVICE}/Accounts"
ROLES: Final = f"{SERVICE}/Roles"
# The standard roles; which one is nearest tells a client what to expect, what counts are our own rights.
PRIVILEGES: Final[Mapping[str, tuple[str, ...]]] = {
    "Administrator": ("Login", "ConfigureManager", "ConfigureUsers", "ConfigureComponents", "ConfigureSelf"),
    "Operator": ("Login", "ConfigureComponents", "ConfigureSelf"),
    "ReadOnly": ("Login", "ConfigureSelf"),
}


def account_service(*, enabled: bool) -> Document:
    """Return the account service."""
    return {
        "@odata.id": SERVICE,
        "@odata.type": odata_type("AccountService"),
        "Id": "AccountService",
        "Name": "Account Service",
        "ServiceEnabled": enabled,
        "Accounts": link(ACCOUNTS),
        "Roles": link(ROLES),
    }


def role_of(capabilities: frozenset[Capability]) -> str:
    """Return the standard role that is nearest to what a user may do."""
    if Capability.ADMIN in capabilities:
        return "Administrator"
    return "Operator" if capabilities - {Capability.VIEW} else "ReadOnly"


def account(user: str, role_id: str) -> Document:
    """Return one account; a password is never shown."""
    return {
        "@odata.id": f"{ACCOUNTS}/{user}",
        "@odata.type": odata_type("ManagerAccount"),
        "Id": user,
        "Name": f"Account of {user}",
        "UserName": user,
        "Password": None,
        "Enabled": True,
        "Locked": False,
        "RoleId": role_id,
        "AccountTypes": ["Redfish", "WebUI", "KVMIP", "VirtualMedia"],
        "Links": {"Role": link(f"{ROLES}/{role_id}")},
    }


def role(role_id: str) -> Document:
    """Return one of the roles."""
    return {
        "@odata.id": f"{ROLES}/{role_id}",
        "@odata.type": odata_type("Role"),
        "Id": role_id,
        "Name": f"{role_id} Role",
        "RoleId": role_id,
        "IsPredefined": True,
        "AssignedPrivileges": list(PRIVILEGES[role_id]),
    }


def account_resources(handles: RedfishHandles) -> list[Resource]:
    """List the resources of accounts."""
    auth = handles.auth

    async def service(_call: Call) -> Document:
        return account_service(enabled=auth.enabled)

    async def accounts(_call: Call) -> Document:
        uris = [f"{ACCOUNTS}/{user}" for user in await auth.users()]
        return collection(ACCOUNTS, "ManagerAccount", "Accounts Collection", uris)

    async def show(call: Call) -> Document:
        user = call.path_part("id")
        if user not in await auth.users():
            raise NotFoundError(f"expected a user with an account, got {user[:80]!r} - at the account's id")
        return account(user, role_of(auth.capabilities(user)))

    async def roles(_call: Call) -> Document:
        return collection(ROLES, "Role", "Roles Collection", [f"{ROLES}/{name}" for name in PRIVILEGES])

    async def show_role(call: Call) -> Document:
        name = call.path_part("id")
        if name not in PRIVILEGES:
            raise NotFoundError(
                f"expected one of {', '.join(PRIVILEGES)}, got {name[:80]!r} - at the role's id"
            )
        return role(name)

    admin = Capability.ADMIN
    return [
        Resource(SERVICE, "the account service", service),
        Resource(ACCOUNTS, "the accounts of the password file", accounts, needs=admin),
        Resource(f"{ACCOUNTS}/<id>", "one account", show, needs=admin, errors=(NotFoundError,)),
        Resource(ROLES, "the roles", roles),
        Resource(f"{ROLES}/<id>", "one role", show_role, errors=(NotFoundError,)),
    ]
