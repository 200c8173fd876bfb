"""Accounts: who may log in, read-only; they are made and changed with `farhand passwd`."""

from __future__ import annotations

from typing import Final

from api.redfish.answers import Document
from api.redfish.errors import NotFoundError
from api.redfish.handles import RedfishHandles
from api.redfish.metadata import odata_type
from api.redfish.resources import ROOT, Resource, collection, link
from api.routing import Call

SERVICE: Final = f"{ROOT}/AccountService"
ACCOUNTS: Final = f"{SERVICE}/Accounts"
ROLES: Final = f"{SERVICE}/Roles"
# Whoever has an account here may do everything: there are no lesser ones.
ROLE: Final = "Administrator"
_PRIVILEGES: Final = ("Login", "ConfigureManager", "ConfigureUsers", "ConfigureComponents", "ConfigureSelf")


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


def account(user: str) -> Document:
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
        "RoleId": ROLE,
        "AccountTypes": ["Redfish", "WebUI", "KVMIP", "VirtualMedia"],
        "Links": {"Role": link(f"{ROLES}/{ROLE}")},
    }


def role() -> Document:
    """Return the one role."""
    return {
        "@odata.id": f"{ROLES}/{ROLE}",
        "@odata.type": odata_type("Role"),
        "Id": ROLE,
        "Name": "Administrator Role",
        "RoleId": ROLE,
        "IsPredefined": True,
        "AssignedPrivileges": list(_PRIVILEGES),
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
        return account(user)

    async def roles(_call: Call) -> Document:
        return collection(ROLES, "Role", "Roles Collection", [f"{ROLES}/{ROLE}"])

    async def show_role(_call: Call) -> Document:
        return role()

    return [
        Resource(SERVICE, "the account service", service),
        Resource(ACCOUNTS, "the accounts of the password file", accounts),
        Resource(f"{ACCOUNTS}/<id>", "one account", show, errors=(NotFoundError,)),
        Resource(ROLES, "the roles", roles),
        Resource(f"{ROLES}/{ROLE}", "the one role", show_role),
    ]
