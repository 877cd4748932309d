"""The judges of `coverage_rare`: what they find, and that they do not find it where something is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from segue.openflow.client import OpenFlowClient
from segue.openflow.codec import CODEC
from segue.openflow.protocol.actions import CopyTtlIn, CopyTtlOut
from segue.openflow.protocol.families import ACTION
from segue.openflow.protocol.flow_mod import FlowMod
from segue.openflow.protocol.instructions import WriteMetadata
from segue.openflow.protocol.nicira_actions import DebugRecirc, DebugSlow, Exit, NxWriteMetadata
from segue.openflow.protocol.nicira_sample import Sample4
from segue.openflow.wire import V10, V11, VERSIONS

from . import coverage_rare
from .oracles import dummy, kept, ofctl

needs_switch = pytest.mark.skipif(dummy.available() is not None, reason=str(dummy.available()))
needs_ofctl = pytest.mark.skipif(ofctl.available() is not None, reason=str(ofctl.available()))


@needs_switch
def test_a_switch_for_tests_takes_the_actions_for_tests_and_gives_them_back() -> None:
    found = list(coverage_rare.taken())
    assert sorted(found, key=str) == sorted(
        ((action, version) for action in (DebugSlow, DebugRecirc) for version in VERSIONS), key=str
    )


@needs_switch
def test_an_action_that_the_switch_calls_otherwise_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ((DebugRecirc(), "debug_slow"), (Exit(), "debug_recirc"), (DebugSlow(), "debug_slow"))
    monkeypatch.setattr(coverage_rare, "DEBUG", wrong)
    assert {record for record, _ in coverage_rare.taken()} == {DebugSlow}


@needs_switch
def test_nothing_is_left_of_a_switch() -> None:
    with dummy.running() as switch:
        assert switch.flows() and len(_processes_of(switch.directory)) == 2
    assert not switch.directory.exists() and not _processes_of(switch.directory)


def _processes_of(directory: Path) -> list[str]:
    """The numbers of the processes that name a directory in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(directory).encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_what_a_newer_ovs_ofctl_wrote_is_what_it_reads() -> None:
    cases = kept.open_vswitch()
    assert {(case.version, case.wrote) for case in cases} == {
        (version, text) for version in VERSIONS for text in coverage_rare.SAMPLES
    }
    for case in cases:
        assert case.data[0] == case.version and case.read.endswith(f" actions={case.wrote}")


def test_a_newer_ovs_ofctl_samples_as_we_do_in_each_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(coverage_rare.newer()) == [(Sample4, version) for version in VERSIONS]
    first, second = coverage_rare.SAMPLES
    turned = {first: coverage_rare.SAMPLES[first], second: coverage_rare.SAMPLES[first]}
    monkeypatch.setattr(coverage_rare, "SAMPLES", turned)
    assert not list(coverage_rare.newer())


def test_two_libraries_copy_ttls_in_1_1_as_we_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(coverage_rare.of_1_1()) == [(CopyTtlOut, V11), (CopyTtlIn, V11)]
    (case,) = kept.openflow_1_1()
    assert [
        [action["header"]["type"] for action in instruction["body"]["actions"]] for instruction in json.loads(case.read)
    ] == [["OFPAT_COPY_TTL_OUT", "OFPAT_OUTPUT"], ["OFPAT_COPY_TTL_IN", "OFPAT_OUTPUT"]]
    monkeypatch.setattr(coverage_rare, "COPIES", {case.wrote: coverage_rare.COPIES[case.wrote][::-1]})
    assert not list(coverage_rare.of_1_1())


@needs_ofctl
def test_metadata_is_written_among_the_actions_of_a_flow_in_each_version() -> None:
    assert list(coverage_rare.written_metadata()) == [(NxWriteMetadata, version) for version in VERSIONS]


@needs_switch
@pytest.mark.parametrize("version", VERSIONS)
def test_a_switch_gives_metadata_back_as_the_instruction_where_there_is_one(version: int) -> None:
    with dummy.running() as switch:
        (flow,) = asyncio.run(_there_and_back(switch.target, version))
    action = coverage_rare.METADATA
    if version == V10:
        assert flow.actions == (action,)
    else:
        assert tuple(flow.instructions) == (WriteMetadata(action.metadata, action.mask),)


async def _there_and_back(target: str, version: int) -> list[Any]:
    async with OpenFlowClient(target, version=version) as client:
        await client.send(FlowMod(actions=(coverage_rare.METADATA,)))
        await client.barrier()
        return [flow async for flows in client.flow_stats() for flow in flows]


@needs_ofctl
@pytest.mark.parametrize("version", VERSIONS)
def test_metadata_is_not_written_where_there_is_no_flow(version: int) -> None:
    data = CODEC.encoders_of(ACTION, version)[NxWriteMetadata](coverage_rare.METADATA)
    (said,) = ofctl.parse_actions(version, [data])
    assert said.error == "OFPBIC_UNSUP_INST"
