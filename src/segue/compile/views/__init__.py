"""Objects, identities and paths -> what every chain asks for, and the records that concern each node."""

from segue.compile.views.graph import ViewChanges, ViewCompiler
from segue.compile.views.wiring import Attached, Problem, ServiceInfo

__all__ = ["Attached", "Problem", "ServiceInfo", "ViewChanges", "ViewCompiler"]
