"""The tokens of injected services at the gate: whoever presents one is that service, whatever else the server asks for.

So an application has one way to say who it is, on a server with a file of tokens, with Keystone, or with neither; and
nowhere is it more than that service.
"""

from __future__ import annotations

from segue.api.admitted import Admitted
from segue.api.permission import SERVICE
from segue.inject.token import service_of
from segue.neutron.caller import Caller
from segue.server.services import Services


class ByService:
    def __init__(self, services: Services) -> None:
        self._services = services

    def admit(self, presented: str) -> Admitted | str | None:
        """Who comes by it; why nobody does, for the log; None: it does not look like the token of a service."""
        key = service_of(presented)
        if key is None:
            return None
        room = self._services.rooms.get(key)
        if room is None:
            return f"service-{key}: there is no such service"
        why = room.access.wrong(presented)
        if why:
            return f"service {room.name}: {why}"

        def holds() -> bool:
            return self._services.rooms.get(key) is room and not room.access.wrong(presented)

        owner = f"{SERVICE}/{room.name}"
        return Admitted(Caller(room.info.declared.project, roles=(SERVICE,), user=owner), owner, holds)
