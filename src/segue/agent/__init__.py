"""The process on each node: watches what the node is told, compiles it, and keeps the switch like that."""
