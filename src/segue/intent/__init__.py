"""YAML or JSON text -> validated model objects, and back.

Pure: bytes in, objects out. What the objects refer to outside their text is checked by those who see all that is
applied; ``references`` tells them what to look for.
"""

from segue.intent.diff import Change, Difference, diff
from segue.intent.dump import dump
from segue.intent.heat_given import Given, read_given
from segue.intent.lab import HostSection, LabSection
from segue.intent.parse import Document, Lines, parse
from segue.intent.problems import IntentError, Problem
from segue.intent.references import references
from segue.intent.schema import schema

__all__ = [
    "Change",
    "Difference",
    "Document",
    "Given",
    "HostSection",
    "IntentError",
    "LabSection",
    "Lines",
    "Problem",
    "diff",
    "dump",
    "parse",
    "read_given",
    "references",
    "schema",
]
