"""The incremental computation graph. It knows keys, values and functions, and nothing of networking."""

from segue.engine.graph import Context, Delta, Graph, Relation

__all__ = ["Context", "Delta", "Graph", "Relation"]
