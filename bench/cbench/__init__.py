"""A generator of packet-ins in the manner of Cbench, which checks every answer, and the controllers it measures."""
