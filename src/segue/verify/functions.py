"""What service functions do to a packet, as far as a path is concerned: nothing but their duty to its header."""

from __future__ import annotations

from dataclasses import replace

from segue.verify.packet import Packet


def aware_step(packet: Packet) -> Packet:
    """An aware function lowers the service index by one: in the NSH header (RFC 8300 section 2.2), or in the SF label,
    which is the second of the stack (RFC 8595 section 6). A packet without a path header comes back as it is."""
    if "nsh_si" in packet.fields:
        return packet.set("nsh_si", packet.fields["nsh_si"] - 1)
    labels = packet.frame.labels
    if len(labels) < 2:
        return packet
    lowered = labels[1]._replace(label=labels[1].label - 1)
    return Packet(replace(packet.frame, labels=(labels[0], lowered, *labels[2:])), packet.pipeline)


def path_place(packet: Packet) -> tuple[int, int] | None:
    """(path id, index) of a packet behind a path header, or None."""
    if "nsh_spi" in packet.fields:
        return packet.fields["nsh_spi"], packet.fields["nsh_si"]
    labels = packet.frame.labels
    return (labels[0].label, labels[1].label) if len(labels) > 1 else None


def without_path(packet: Packet) -> Packet:
    """What is behind a path header; a packet without one as it is."""
    frame = packet.frame
    if frame.inner is not None:
        return Packet(frame.inner)
    return Packet(replace(frame, eth_type=frame.protocol, labels=(), pushed=0)) if frame.labels else packet
