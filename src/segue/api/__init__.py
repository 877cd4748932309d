"""HTTP: the native resources under ``/v1``, and the agents' WebSocket."""
