"""What services of projects may ask for at the most, as the operator of the server has it; administrators are free."""

from __future__ import annotations

import msgspec

from segue.model.intent import Permissions, Service

PERMISSIONS = Permissions.__struct_fields__


class ProjectLimits(msgspec.Struct, frozen=True):
    """``flows``, ``packet_ins`` and ``copies`` of one service; ``services`` of one project, and ``project_flows``: of
    all that it has registered together; ``permit``: which
    permissions a project may give its services."""

    flows: int = 10_000
    packet_ins: int = 1_000
    services: int = 100
    permit: frozenset[str] = frozenset(PERMISSIONS)
    copies: int = 10_000
    project_flows: int = 100_000

    def wrong(self, wanted: Service, flows: int = 0) -> str:
        """Why a project may not have it so, and what to write instead; empty where it may. ``flows``: what the services
        that it has may have."""
        if wanted.flows > self.flows:
            return f"flows: a project's service may have at most {self.flows} flows here, not {wanted.flows}; {_ASK}"
        if flows + wanted.flows > self.project_flows:
            return (
                f"flows: a project's services may have at most {self.project_flows} flows together here; those that "
                f"there are have {flows}, and this one asks for {wanted.flows}; {_ASK}"
            )
        if wanted.packet_ins > self.packet_ins:
            return (
                f"packet_ins: a project's service may have at most {self.packet_ins} packet-ins a second here, "
                f"not {wanted.packet_ins}; {_ASK}"
            )
        makes_copies = wanted.permissions.copy or wanted.permissions.redirect
        if makes_copies and wanted.copies > self.copies:
            return (
                f"copies: a project's service may have at most {self.copies} copies a second here, "
                f"not {wanted.copies}; {_ASK}"
            )
        for name in PERMISSIONS:
            if getattr(wanted.permissions, name) and name not in self.permit:
                return f"permissions: a project cannot permit its services to {name} here; leave it out, or {_ASKED}"
        return ""


UNTOLD = ProjectLimits()
_ASKED = "have an administrator register the service"
_ASK = f"write less, or {_ASKED}"
