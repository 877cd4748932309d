"""A network on one machine: namespaces, private Open vSwitches, real functions.

The way in is :class:`segue.lab.lab.Lab`, fed with a :class:`segue.lab.spec.LabSpec`. This file imports
nothing on purpose: the functions in ``segue.lab.apps`` start as processes of their own, and must start fast.
"""
