"""How a command fails. Two kinds, because scripts tell them apart by the exit status."""

from __future__ import annotations


class Failure(Exception):
    """It could not be done, or is not so: exit status 1. The text is one clear message for people."""

    status = 1


class Mistake(Failure):
    """What was asked for is wrong, and would be wrong at any other time too: exit status 2."""

    status = 2
