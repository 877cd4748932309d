"""NSH (RFC 8300), MD type 1, over VXLAN-GPE between nodes, over Ethernet to aware functions.

The header carries the whole inner Ethernet frame, so every payload passes and its addresses arrive unchanged. One
generic rule reads any path's header: path id and index move to registers. The switch does not decrement the service
index; each step writes the index that it means.
"""

from __future__ import annotations

from segue.model.path import Path
from segue.model.program import AnyAction, Decap, Encap, Move, Next, Rule, SetField, match
from segue.model.stages import INDEX, PATH
from segue.model.view import TUNNEL_GPE
from segue.packet.addresses import ETH_NSH

PACKET_TYPE_NSH = (1 << 16) | ETH_NSH
"""Namespace 1 (EtherTypes), type NSH: a packet that begins with its NSH header (OpenFlow 1.5 section 7.2.3.11)."""
SERVICE_MAC = 0x0A5EFF000001
"""The source of frames to aware functions, which return them to it."""


class NSH:
    name = "nsh"
    tunnel = TUNNEL_GPE
    ethertype = ETH_NSH
    per_ethertype = False
    overhead = 74

    def refuse(self, ethertype: int) -> str | None:  # noqa: ARG002
        return None

    def arrival(self, ofport: int) -> tuple[Rule, ...]:
        return (
            Rule("admission", 100, match(in_port=ofport, packet_type=PACKET_TYPE_NSH), (Next("unwrap"),), "encap/nsh"),
        )

    def unwrap(self) -> tuple[Rule, ...]:
        take = (Move("nsh_spi", PATH, 24), Move("nsh_si", INDEX, 8), Decap(), Next("path_return"))
        return (Rule("unwrap", 100, match(packet_type=PACKET_TYPE_NSH), take, "encap/nsh"),)

    def unwrap_path(self, path: Path) -> tuple[Rule, ...]:  # noqa: ARG002
        return ()

    def wrap(self, path: int, index: int) -> tuple[AnyAction, ...]:
        return (Encap("nsh"), SetField("nsh_spi", path), SetField("nsh_si", index))

    def hand_over(self, path: int, index: int, mac: int) -> tuple[AnyAction, ...]:
        outer = (Encap("ethernet"), SetField("eth_dst", mac), SetField("eth_src", SERVICE_MAC))
        return (*self.wrap(path, index), *outer)

    def take_back(self) -> tuple[AnyAction, ...]:
        return (Decap(),)
