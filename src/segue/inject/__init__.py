"""Injected services: what each one may do, and the virtual switch that it sees."""
