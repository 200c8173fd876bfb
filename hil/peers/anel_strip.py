"""An ANEL NET-PwrCtrl power strip, as its own web pages see it."""

from __future__ import annotations

from base64 import b64encode
from typing import Literal

from peers.http_device import Answer, Request, WebDevice


class AnelStrip(WebDevice):
    """Eight sockets; *habit* is what the strip makes of the value of a form."""

    def __init__(self, *, habit: Literal["toggles", "obeys", "toggles on T"] = "toggles") -> None:
        super().__init__()
        self.levels = [False] * 8
        self.locked: set[int] = set()
        self.waiting: set[int] = set()
        self.stuck: set[int] = set()
        self.habit = habit
        self.user = "admin"
        self.passwd = "anel"
        self.switched: list[int] = []
        """Every socket that switched, in order."""

    def answer(self, request: Request) -> Answer:
        credentials = b64encode(f"{self.user}:{self.passwd}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {credentials}":
            return Answer(401, b"401 Unauthorized: Password required\r\n")
        match request.method, request.target:
            case "GET", "/strg.cfg":
                return Answer(200, self._fields().encode("latin-1"), "text/plain")
            case "POST", "/ctrl.htm":
                self._form(request.body.decode())
                return Answer(200, b"<html>Steuerung</html>")
        return Answer(404, b"")

    def _form(self, text: str) -> None:
        name, _, value = text.partition("=")
        socket = int(name.removeprefix("F"))
        level = {
            "toggles": not self.levels[socket],
            "obeys": value == "1",
            "toggles on T": self.levels[socket] ^ (value == "T"),
        }[self.habit]
        if socket in self.locked | self.stuck | self.waiting or level == self.levels[socket]:
            return
        self.levels[socket] = level
        self.switched.append(socket)

    def _fields(self) -> str:
        strip = ["NET-PWRCTRL_04.5", "NET-CONTROL    ", "192.0.2.5", "255.255.255.0", "192.0.2.1"]
        strip += ["00:04:A3:0B:0C:3A", "80", "", "P", ""]
        tens = [
            [f"Nr. {socket + 1} \xfc" for socket in range(8)],
            [str(int(level)) for level in self.levels],
            [str(int(socket in self.locked)) for socket in range(8)],
            ["Anfangsstatus"] * 8,
            ["W" if socket in self.waiting else "" for socket in range(8)],
        ]
        groups = [*([*ten, "", ""] for ten in tens[:-1]), tens[-1]]
        return ";".join(
            [*strip, *(field for group in groups for field in group), "end", "NET - Power Control"]
        )
