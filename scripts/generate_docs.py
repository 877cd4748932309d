"""Writes the generated pages of docs/ anew: the pipeline (from ``model/stages.py``), the intent's JSON Schema, the
OpenAPI descriptions of the native API (from ``api/description.py``) and of the networking API (from the kinds of
``neutron``, by ``api/neutron_openapi.py``), and of OpenFlow the table of messages and the JSON
Schema of each version (from ``openflow/protocol``)."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from segue import intent, openflow
from segue.api import neutron_openapi
from segue.api.description import description
from segue.model.stages import BY_NAME, REGISTERS, STAGES, TABLE
from segue.openflow import json_schema, reference

DOCS = Path(__file__).parent.parent / "docs"


def pipeline_page() -> str:
    lines = [
        "# The pipeline",
        "",
        "Every packet that a node handles goes through these tables of its bridge. The page is made from",
        "`src/segue/model/stages.py`; `make docs` writes it anew. A rule that does what its stage does not",
        "allow is refused before it reaches a switch.",
        "",
        "| table | stage | purpose | goes on to |",
        "| ---: | --- | --- | --- |",
    ]
    for stage in STAGES:
        onward = ", ".join(stage.next) + (" or out" if stage.outputs and stage.next else "out" if stage.outputs else "")
        lines.append(f"| {TABLE[stage.name]} | `{stage.name}` | {stage.purpose} | {onward or 'nowhere'} |")
    lines += ["", "## Registers", "", "| register | holds |", "| --- | --- |"]
    lines += [f"| `{register}` | {meaning} |" for register, meaning in REGISTERS.items()]
    lines += ["", "## Contracts", "", "| stage | may match | may write |", "| --- | --- | --- |"]
    for name, stage in BY_NAME.items():
        lines.append(f"| `{name}` | {_fields(stage.matches)} | {_fields(stage.writes)} |")
    return "\n".join(lines) + "\n"


def _fields(names: frozenset[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(names)) or "nothing"


def schema_page() -> str:
    return json.dumps(intent.schema(), indent=2, ensure_ascii=False) + "\n"


def openflow_schema_page(version: int) -> str:
    return json.dumps(json_schema.schema(version), indent=1, ensure_ascii=False) + "\n"


def openapi_page() -> str:
    return json.dumps(description(), indent=1, ensure_ascii=False) + "\n"


def openapi_neutron_page() -> str:
    return json.dumps(neutron_openapi.description(), indent=1, ensure_ascii=False) + "\n"


SCHEMAS = {f"openflow-{name}.schema.json": version for version, name in openflow.VERSION_NAMES.items()}
PAGES = {
    "pipeline.md": pipeline_page,
    "schema.json": schema_page,
    "openapi.json": openapi_page,
    "openapi-neutron.json": openapi_neutron_page,
    "openflow/messages.md": partial(reference.page, list(SCHEMAS)),
    **{f"openflow/{name}": partial(openflow_schema_page, version) for name, version in SCHEMAS.items()},
}


def main() -> None:
    for name, page in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(page())
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
