"""Builds the compiled core of the OpenFlow library where there is a C compiler with Python's headers.

It is optional: without it installation goes on, and Segue works the same, but slower. Everything else about
the package is in pyproject.toml.
"""

from setuptools import Extension, setup

CORE = "src/segue/openflow/_core"
PARTS = (
    "buffer",
    "family",
    "field",
    "mapping",
    "match",
    "pump",
    "reader",
    "reader_type",
    "record",
    "whole",
    "writer",
    "writer_type",
)

setup(
    ext_modules=[
        Extension(
            "segue.openflow._core",
            [f"{CORE}.c", *(f"{CORE}/{part}.c" for part in PARTS)],
            depends=[f"{CORE}/{part}.h" for part in ("core", "match", "reader", "writer")],
            extra_compile_args=["-O3", "-fvisibility=hidden"],
            optional=True,
        )
    ]
)
