"""Heat templates by way of the command line: parameters, files of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_session import Session

EXAMPLE = Path(__file__).parents[2] / "examples" / "heat.yaml"
TEMPLATE = """\
heat_template_version: 2016-10-14
parameters:
  prefix: {type: string}
  node: {type: string, default: ""}
resources:
  web: {type: OS::Neutron::Net}
  sub:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: web}, cidr: {get_param: prefix}}
  client:
    type: OS::Neutron::Port
    properties: {network: {get_resource: web}, mac_address: "02:00:00:00:00:01"}
"""


@pytest.fixture
def template(tmp_path: Path) -> str:
    file = tmp_path / "heat.yaml"
    file.write_text(TEMPLATE)
    return str(file)


def test_a_parameter_is_given_on_the_command_line(segue: Session, template: str) -> None:
    given = ("--param", "prefix=10.0.0.0/24")
    ran = segue("apply", template, *given)
    assert (ran.status, ran.err) == (0, "")
    assert "    addresses: [10.0.0.2]\n" in ran.out
    assert ran.out.endswith("3 added\nready\n")
    assert segue("apply", template, *given).out == "nothing changes\nready\n"
    assert segue("apply", "--dry-run", template, "--param", "prefix=10.0.1.0/24").out.splitlines()[:3] == [
        '~ subnet "sub"',
        "    cidr: 10.0.0.0/24 -> 10.0.1.0/24",
        "    gateway: 10.0.0.1 -> 10.0.1.1",
    ]
    ran = segue("delete", "-f", template, *given)
    assert (ran.status, ran.out.splitlines()[-2:]) == (0, ["3 removed", "ready"])


def test_parameters_are_given_in_files(segue: Session, template: str, tmp_path: Path) -> None:
    plain, environment = tmp_path / "plain.yaml", tmp_path / "environment.yaml"
    plain.write_text("prefix: 10.0.0.0/24\n")
    environment.write_text("parameters:\n  prefix: 10.0.1.0/24\n")
    files = ("--params", str(plain), "--params", str(environment))
    assert "    cidr: 10.0.0.0/24\n" in segue("apply", "--dry-run", template, "--params", str(plain)).out
    assert "    cidr: 10.0.1.0/24\n" in segue("apply", "--dry-run", template, *files).out
    assert (
        "    cidr: 10.0.2.0/24\n" in segue("apply", "--dry-run", template, *files, "--param", "prefix=10.0.2.0/24").out
    )
    assert (
        "    cidr: 10.0.0.0/24\n" in segue("apply", "--dry-run", template, "--params", "-", stdin=plain.read_text()).out
    )


def test_what_is_wrong_with_parameters_is_said(segue: Session, template: str, tmp_path: Path) -> None:
    ran = segue("apply", template)
    assert ran.status == 2
    assert ran.err == (
        f'segue: {template}:3: parameter "prefix": has no value and no default; give it: --param prefix=VALUE\n'
    )
    ran = segue("apply", template, "--param", "prefix=10.0.0.0/24", "--param", "nod=n1")
    assert (ran.status, ran.err) == (2, 'segue: --param: there is no parameter "nod"; did you mean node?\n')
    assert segue("apply", template, "--param", "prefix").err == (
        "segue: --param prefix gives no value; write --param NAME=VALUE\n"
    )
    assert segue("apply", template, *["--param", "a=1"] * 2).err == "segue: --param a is given twice\n"
    assert segue("apply", template, "--params", template).err == f"segue: {template} is named twice\n"
    wrong = tmp_path / "env.yaml"
    wrong.write_text("parameters: [\n")
    assert segue("apply", template, "--params", str(wrong)).err.startswith(f"segue: {wrong}:")
    intent = tmp_path / "intent.yaml"
    intent.write_text("networks: {web: }\n")
    ran = segue("apply", str(intent), "--param", "a=1")
    assert ran.err == 'segue: --param: there is no parameter "a"; none of the files is a template with parameters\n'
    intent.write_text("heat_template_version: rocky\n")
    assert segue("apply", str(intent), "--param", "a=1").err == ran.err
    ran = segue("delete", "network", "web", "--param", "a=1")
    assert (ran.status, ran.err) == (2, "segue: --param and --params go with -f FILE\n")
    assert segue("get", "all").out == "nothing is declared\n"


def test_a_template_beside_an_intent_is_one_change(segue: Session, tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text("nodes: [n1, n2, n3]\n")
    ran = segue("apply", "--dry-run", str(nodes), str(EXAMPLE))
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.endswith("would be added: 19\n")
    ran = segue("apply", "--dry-run", str(EXAMPLE))
    line = next(n for n, text in enumerate(EXAMPLE.read_text().splitlines(), 1) if "binding:host_id: n1" in text)
    assert ran.status == 2
    assert f'{EXAMPLE}:{line}: port "client": node: there is no node' in ran.err
