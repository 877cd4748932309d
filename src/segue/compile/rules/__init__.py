"""Records and bindings of one node -> the rules of its program."""

from segue.compile.rules.graph import NodeCompiler

__all__ = ["NodeCompiler"]
