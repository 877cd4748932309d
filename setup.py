"""Builds the compiled core of the OpenFlow library where there is a C compiler with Python's headers.

It is optional: without it installation goes on, and Segue works the same, but slower. Everything else about
the package is in pyproject.toml.
"""

from setuptools import Extension, setup

CORE = "src/segue/openflow/_core"

setup(
    ext_modules=[
        Extension(
            "segue.openflow._core",
            [f"{CORE}.c", *(f"{CORE}/{part}.c" for part in ("buffer", "match", "writer", "reader", "field", "pump"))],
            depends=[f"{CORE}/core.h"],
            extra_compile_args=["-O3", "-fvisibility=hidden"],
            optional=True,
        )
    ]
)
