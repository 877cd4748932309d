"""From what is to what should be, in an order in which every packet sees one or the other, never a mixture.

``network`` orders a change over nodes, ``node`` finds a switch's difference, ``slots`` moves no more flows than
it must. All pure: time is an argument.
"""

from segue.rollout.network import Progress, Rollouts
from segue.rollout.node import change, difference, felt

__all__ = ["Progress", "Rollouts", "change", "difference", "felt"]
