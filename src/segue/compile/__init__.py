"""Intent and topology to each node's program, incrementally.

Two graphs of the same engine: ``views`` runs in the server and turns objects and paths into the records that concern
each node; ``rules`` runs in the agent and turns those records, with what the agent sees on its switch, into the rules
of its program.
"""
