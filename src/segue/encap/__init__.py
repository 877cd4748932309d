"""Encapsulations: one file for each way to write a path on a packet.

An encapsulation is found by the entry point group ``segue.encapsulations``; ``model.encapsulation`` says what it
provides. The intent names it, the compiler asks it for actions, and nothing else knows its header.
"""

from segue.encap.base import available

__all__ = ["available"]
