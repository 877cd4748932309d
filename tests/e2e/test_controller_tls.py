"""A stock application of os-ken that lets in by TLS alone those whose certificate its authority signed."""

from __future__ import annotations

import json
import subprocess
from itertools import permutations
from pathlib import Path

import pytest

from . import controllers
from .controllers import ADDRESSES, ENVIRONMENT, OWN, Controller, Serviced, free_port

pytestmark = pytest.mark.root
controllers.needed()


class Certified(Serviced):
    """Its server shows certificates of ``directory``: NAME.pem, NAME.key and authority.pem."""

    def __init__(self, directory: Path, name: str) -> None:
        super().__init__()
        options = {"certificate": f"{name}.pem", "key": f"{name}.key", "authority": "authority.pem"}
        self._options = [word for what, file in options.items() for word in (f"--services-{what}", directory / file)]

    def server_command(self, socket: str) -> list[str]:
        return [*super().server_command(socket), *map(str, self._options)]


def make(directory: Path, name: str, *signed_by: str) -> None:
    """A key and a certificate; without ``signed_by`` of its own authority."""
    by = [word for one in signed_by for word in ("-CA", directory / f"{one}.pem", "-CAkey", directory / f"{one}.key")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem"]
    subject = ["-subj", f"/CN={name}", "-days", "2"]
    subprocess.run([*command, *files, *subject, *by], check=True, capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("certificates")
    make(directory, "authority")
    make(directory, "server", "authority")
    make(directory, "controller", "authority")
    make(directory, "stranger")
    return directory


def application(directory: Path) -> Controller:
    port = free_port()
    listen = ["--ofp-listen-host", "127.0.0.1", "--ofp-ssl-listen-port", str(port)]
    files = {"ctl-privkey": "controller.key", "ctl-cert": "controller.pem", "ca-certs": "authority.pem"}
    options = [word for option, file in files.items() for word in (f"--{option}", str(directory / file))]
    program = str(ENVIRONMENT / "bin" / "osken-manager")
    return Controller([program, *listen, *options, "os_ken.app.simple_switch_13"], port)


def test_a_learning_switch_behind_tls_connects_all_pairs(certificates: Path) -> None:
    with (
        Certified(certificates, "server") as fabric,
        fabric.service({"packet_in": True, "redirect": True}),
        application(certificates) as switch,
    ):
        fabric.controlled(f"ssl:127.0.0.1:{switch.port}")
        fabric.until(fabric.flows_of_service, "the flow for what it does not know")
        assert fabric.pairs() == dict.fromkeys(permutations(ADDRESSES, 2), True)
        assert len(fabric.flows_of_service()) == 13
        # Without TLS it hears nothing that it understands.
        fabric.request("PUT", f"/v1/services/{OWN}/controller", json.dumps({"target": switch.target}).encode())
        fabric.until(lambda: fabric.said()["controller"]["trouble"], "the controller to be out of reach")
        assert not fabric.said()["controller"]["connected"]


def test_a_server_of_another_authority_is_not_let_in(certificates: Path) -> None:
    with (
        Certified(certificates, "stranger") as fabric,
        fabric.service({"packet_in": True, "redirect": True}),
        application(certificates) as switch,
    ):
        target = json.dumps({"target": f"ssl:127.0.0.1:{switch.port}"}).encode()
        fabric.request("PUT", f"/v1/services/{OWN}/controller", target)
        fabric.until(lambda: fabric.said()["controller"]["trouble"], "the controller to refuse")
        assert not fabric.flows_of_service()
        assert fabric.reaches("c1", "c2")
