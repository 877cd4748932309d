"""Writes the generated pages of docs/ anew: the pipeline (from ``model/stages.py`` and ``model/hooks.py``), the
intent's JSON Schema, the OpenAPI descriptions of the native API (from ``api/description.py``) and of the networking API
(from the kinds of ``neutron``, by ``api/neutron_openapi.py``), and of OpenFlow the table of messages and the JSON
Schema of each version (from ``openflow/protocol``)."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from segue import intent, openflow
from segue.api import neutron_openapi
from segue.api.description import description
from segue.model.hooks import HOOKS
from segue.model.stages import REGISTERS, SERVICE_TABLES, STAGES, TABLE, Stage
from segue.openflow import json_schema, reference

DOCS = Path(__file__).parent.parent / "docs"


def pipeline_page() -> str:
    lines = [
        "# The pipeline",
        "",
        "Every packet that a node handles goes through these tables of its bridge. The page is made from",
        "`src/segue/model/stages.py` and `src/segue/model/hooks.py`; `make docs` writes it anew. A rule that does what",
        "its stage does not allow is refused before it reaches a switch.",
        "",
        "| table | stage | purpose | goes on to |",
        "| ---: | --- | --- | --- |",
    ]
    shown = [stage for stage in STAGES if not _table(stage) or stage.name == "service_0"]
    for stage in shown:
        onward = ", ".join(stage.next) + (" or out" if stage.outputs and stage.next else "out" if stage.outputs else "")
        number, purpose = str(TABLE[stage.name]), stage.purpose
        if _table(stage):
            number = f"{number} to {int(number) + SERVICE_TABLES - 1}"
            purpose = purpose.replace("Table 0", "The tables")
            onward = ", ".join(["later ones", *(one for one in stage.next if not one.startswith("service_"))])
        lines.append(f"| {number} | {_name(stage)} | {purpose} | {onward or 'nowhere'} |")
    lines += hooks()
    lines += ["", "## Registers", "", "| register | holds |", "| --- | --- |"]
    lines += [f"| `{register}` | {meaning} |" for register, meaning in REGISTERS.items()]
    lines += ["", "## Contracts", "", "| stage | may match | may write |", "| --- | --- | --- |"]
    for stage in shown:
        must = f"; must match {_fields(stage.requires)}, whole" if stage.requires else ""
        lines.append(f"| {_name(stage)} | {_fields(stage.matches)}{must} | {_fields(stage.writes)} |")
    return "\n".join(lines) + "\n"


def _table(stage: Stage) -> bool:
    """Whether it is a table of services, which are alike."""
    return 0 <= TABLE[stage.name] - TABLE["service_0"] < SERVICE_TABLES


def _name(stage: Stage) -> str:
    return f"`service_0` to `service_{SERVICE_TABLES - 1}`" if _table(stage) else f"`{stage.name}`"


def hooks() -> list[str]:
    lines = [
        "",
        "## Hooks",
        "",
        "At a hook the packets of an element are handed to the injected services that are attached to it, in their",
        "order. A packet that no service takes goes on behind the hook as if there were none. A packet between two",
        "ports passes the hooks in this order.",
        "",
        "| hook | packets | of | has been through | has yet to come | goes on to |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for hook in HOOKS.values():
        way = "from" if hook.from_element else "to"
        *others, last = hook.elements
        elements = f"a {', a '.join(others)} or a {last}"
        lines.append(
            f"| {hook.name} | {way} the element | {elements} | {hook.been} | {hook.to_come} | `{hook.behind}` |"
        )
    return lines


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
