"""The two families that most of the protocol meets: actions and instructions."""

from typing import Final

from segue.openflow.codec import CODEC
from segue.openflow.declare import Record, family, unknown

ACTION: Final = family("action", inside=True, subtype=2, bad_length="OFPBAC_BAD_LEN")
INSTRUCTION: Final = family("instruction", inside=True, bad_length="OFPBIC_BAD_LEN")
CODEC.instruction_family = INSTRUCTION


class Action(Record, frozen=True, gc=False):
    """What is done to a packet (OpenFlow 1.5.1 section 7.2.6)."""


class Instruction(Record, frozen=True, gc=False):
    """What a matching packet meets in a table (OpenFlow 1.5.1 section 7.2.5; 1.1 and later)."""


@unknown(ACTION)
class UnknownAction(Action, frozen=True, gc=False):
    """An action that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.2.6)."""

    type: int
    data: bytes = b""


@unknown(INSTRUCTION)
class UnknownInstruction(Instruction, frozen=True, gc=False):
    """An instruction that nobody declared, an experimenter's too: the octets behind its type and length (OpenFlow 1.5.1
    section 7.2.5)."""

    type: int
    data: bytes = b""
