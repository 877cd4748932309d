"""Fuzzing of the OpenFlow library: what no hand would think of.

`samples` has a message of every class and version, made from the declarations. `both` has the library twice, compiled
and in Python alone. `targets` are the properties that hold for whatever bytes: each takes bytes and raises where one
does not.
`corpus` keeps inputs in `corpus/*.txt`, one a line, in hexadecimal; the tests replay them (`test_corpus`).

`make fuzz` looks for others (`run`), with Atheris, which is installed into an environment of its own. What it finds is
kept in `build/fuzz`; `python -m openflow.fuzz.corpus keep` enters what is new into `corpus`.
"""
