"""Neutron's API with its networking-sfc extension, as pure functions: requests, checked, become changes of objects."""
