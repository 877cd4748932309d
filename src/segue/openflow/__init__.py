"""OpenFlow 1.5 as Open vSwitch speaks it: a codec and a connection without I/O, and an asyncio client.

Usable on its own: nothing of Segue is imported here but this package itself.
"""
