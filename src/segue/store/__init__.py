"""Desired and observed state: snapshot at a revision, watch from a revision, compare-and-set.

`base` is the interface that every engine serves and every reader programs against; `sqlite` is the
engine inside the server.
"""
