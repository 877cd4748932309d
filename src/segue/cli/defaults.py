"""Where things are when nobody says where."""

LISTEN = "127.0.0.1:7468"
SERVER = f"http://{LISTEN}"
DATA = "/var/lib/segue"
DRAIN = 2.0
"""Seconds."""
BRIDGE = "br-int"
RATE = 1000.0
"""Requests per second."""
CONNECTIONS = 4096
