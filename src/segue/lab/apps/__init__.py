"""Small service functions and end-points, each run as ``python -m segue.lab.apps.NAME``.

The standard library only, so that a process starts in some tens of milliseconds. SIGTERM ends each of them.
"""
