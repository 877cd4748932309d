"""Examples of each action: itself, and what Open vSwitch says of it (None where it does not know it).

The text is one, or one for each version from which on it is so. `""` says that this version lacks a part of the
example.
"""

from segue.openflow.declare import Record
from segue.openflow.protocol import actions as a
from segue.openflow.protocol import nicira_actions as nx
from segue.openflow.protocol import nicira_controller as nc
from segue.openflow.protocol import nicira_ct as ct
from segue.openflow.protocol import nicira_encap as en
from segue.openflow.protocol import nicira_learn as le
from segue.openflow.protocol import nicira_load as lo
from segue.openflow.protocol import nicira_multipath as mp
from segue.openflow.protocol import nicira_sample as sa
from segue.openflow.protocol import nicira_standard as ns
from segue.openflow.protocol import onf_actions as onf
from segue.openflow.protocol.nicira_forms import Subfield
from segue.openflow.wire import CONTROLLER, LOCAL, V10, V11, V15

Text = str | None | dict[int, str | None]

STANDARD: list[tuple[Record, Text]] = [
    (a.Output(7), "output:7"),
    (a.Output(CONTROLLER, 1234), "CONTROLLER:1234"),
    (a.Output(LOCAL), "LOCAL"),
    (a.Enqueue(10, 55), "enqueue:10:55"),
    (a.SetQueue(0x89ABCD01), "set_queue:2309737729"),
    (a.Group(5), "group:5"),
    (a.MeterAction(5), "meter:5"),
    (a.SetField("eth_dst", 0x102030405060), "set_field:10:20:30:40:50:60->eth_dst"),
    (a.SetField("ipv6_src", 1), "set_field:::1->ipv6_src"),
    (a.SetField("vlan_vid", 0x1009), "set_field:4105->vlan_vid"),
    (a.SetField("nsh_ttl", 9), "set_field:9->nsh_ttl"),
    (a.CopyField("nsh_spi", "reg5", 24), "move:NXOXM_NSH_SPI[]->NXM_NX_REG5[0..23]"),
    (a.CopyField("eth_src", "eth_dst", 12, 4, 36), "move:NXM_OF_ETH_SRC[4..15]->NXM_OF_ETH_DST[36..47]"),
    (a.SetVlanVid(9), {V10: "mod_vlan_vid:9", V11: "set_vlan_vid:9"}),
    (a.SetVlanPcp(6), {V10: "mod_vlan_pcp:6", V11: "set_vlan_pcp:6"}),
    (a.StripVlan(), "strip_vlan"),
    (a.SetDlSrc(0x001122334455), "mod_dl_src:00:11:22:33:44:55"),
    (a.SetDlDst(0x102030405060), "mod_dl_dst:10:20:30:40:50:60"),
    (a.SetNwSrc(0x01020304), "mod_nw_src:1.2.3.4"),
    (a.SetNwDst(0xC0A80001), "mod_nw_dst:192.168.0.1"),
    (a.SetNwTos(48), "mod_nw_tos:48"),
    (a.SetNwEcn(2), "mod_nw_ecn:2"),
    (a.SetTpSrc(80), "mod_tp_src:80"),
    (a.SetTpDst(443), "mod_tp_dst:443"),
    (a.SetMplsLabel(0x12345), "set_mpls_label(74565)"),
    (a.SetMplsTc(5), "set_mpls_tc(5)"),
    (a.CopyTtlOut(), None),
    (a.CopyTtlIn(), None),
    (a.SetMplsTtl(64), "set_mpls_ttl(64)"),
    (a.DecMplsTtl(), "dec_mpls_ttl"),
    (a.SetNwTtl(123), "mod_nw_ttl:123"),
    (a.DecNwTtl(), "dec_ttl"),
    (a.PushVlan(0x8100), "push_vlan:0x8100"),
    (a.PopVlan(), "pop_vlan"),
    (a.PushMpls(0x8848), "push_mpls:0x8848"),
    (a.PopMpls(0x0800), "pop_mpls:0x0800"),
    (a.PushPbb(), None),
    (a.PopPbb(), None),
]

EXTENSIONS: list[tuple[Record, Text]] = [
    (nx.Resubmit(5), "resubmit:5"),
    (nx.ResubmitTable(5, 10), "resubmit(10,5)"),
    (nx.ResubmitTable(5), "resubmit(,5)"),
    (nx.ResubmitTableCt(5, 10), "resubmit(10,5,ct)"),
    (nx.Exit(), "exit"),
    (nx.Clone((a.SetQueue(5), a.Output(10))), {V10: "", V11: "clone(set_queue:5,output:10)"}),
    (nx.Clone((nx.Clone((nx.Exit(),)), a.Output(10))), "clone(clone(exit),output:10)"),
    (nx.Conjunction(0xABCDEF, 1, 3), "conjunction(11259375,2/3)"),
    (nx.FinTimeout(10, 20), "fin_timeout(idle_timeout=10,hard_timeout=20)"),
    (nx.Note(bytes.fromhex("11e99aad67f3")), "note:11.e9.9a.ad.67.f3"),
    (nx.OutputReg("reg1", 6, 5), "output:NXM_NX_REG1[5..10]"),
    (nx.OutputReg2("nsh_spi", 16, 2), "output:NXOXM_NSH_SPI[2..17]"),
    (nx.OutputTrunc(1, 100), "output(port=1,max_len=100)"),
    (nx.PopQueue(), "pop_queue"),
    (ns.NxSetQueue(0x89ABCD01), "set_queue:2309737729"),
    (ns.NxGroup(5), "group:5"),
    (ns.DecTtl(), "dec_ttl"),
    (ns.NxPushMpls(0x8848), "push_mpls:0x8848"),
    (ns.NxPopMpls(0x0800), "pop_mpls:0x0800"),
    (ns.NxSetMplsTtl(64), "set_mpls_ttl(64)"),
    (ns.NxDecMplsTtl(), "dec_mpls_ttl"),
    (ns.NxSetMplsLabel(0x12345), "set_mpls_label(74565)"),
    (ns.NxSetMplsTc(5), "set_mpls_tc(5)"),
    (onf.OnfCopyField("eth_src", "eth_dst", 12, 4, 36), "move:NXM_OF_ETH_SRC[4..15]->NXM_OF_ETH_DST[36..47]"),
    (nx.SetTunnel(0x12345678), "set_tunnel:0x12345678"),
    (nx.SetTunnel64(0xC426384D49C53D60), "set_tunnel64:0xc426384d49c53d60"),
    (nx.DecTtlCntIds((32768, 12345, 90, 765, 1024)), "dec_ttl(32768,12345,90,765,1024)"),
    (nx.DebugSlow(), None),
    (nx.DebugRecirc(), None),
    (nc.Controller(1234, 5678, 2), "controller(reason=invalid_ttl,max_len=1234,id=5678)"),
    (
        nc.Controller2(
            (
                nc.ControllerPropMaxLen(1234),
                nc.ControllerPropControllerId(5678),
                nc.ControllerPropReason(2),
                nc.ControllerPropUserdata(bytes(range(1, 6))),
                nc.ControllerPropPause(),
                nc.ControllerPropMeterId(3),
            )
        ),
        "controller(reason=invalid_ttl,max_len=1234,id=5678,userdata=01.02.03.04.05,pause,meter_id=3)",
    ),
    (lo.RegMove("in_port_nxm", "vlan_tci", 16), "move:NXM_OF_IN_PORT[]->NXM_OF_VLAN_TCI[]"),
    (lo.RegMove("nsh_spi", "reg3", 10, 3, 20), "move:NXOXM_NSH_SPI[3..12]->NXM_NX_REG3[20..29]"),
    (lo.RegLoad("reg0", 0xF009, 16, 8), "load:0xf009->NXM_NX_REG0[8..23]"),
    (lo.RegLoad2("eth_dst", 0x1234, 0xFFFF), "set_field:00:00:00:00:12:34/00:00:00:00:ff:ff->eth_dst"),
    (lo.RegLoad2("nsh_ttl", 9), "set_field:9->nsh_ttl"),
    (lo.StackPush("reg2", 6, 5), "push:NXM_NX_REG2[5..10]"),
    (lo.StackPush("nsh_spi", 24), "push:NXOXM_NSH_SPI[]"),
    (lo.StackPop("reg3", 8, 16), "pop:NXM_NX_REG3[16..23]"),
    (lo.CheckPktLarger(1500, "reg0", 7), "check_pkt_larger(1500)->NXM_NX_REG0[7]"),
    (lo.DeleteField("tun_metadata10"), "delete_field:tun_metadata10"),
    (
        mp.Multipath("reg0", 8, 15, 4, mp.HashFields.SYMMETRIC_L3L4, 50, mp.MultipathAlgorithm.HRW, 9),
        "multipath(symmetric_l3l4,50,hrw,16,9,NXM_NX_REG0[4..11])",
    ),
    (
        mp.Bundle((4, 8, 15), mp.BundleAlgorithm.ACTIVE_BACKUP, mp.HashFields.SYMMETRIC_L4, 3),
        "bundle(symmetric_l4,3,active_backup,ofport,members:4,8,15)",
    ),
    (
        mp.BundleLoad((4, 8), "reg0", 16, 16),
        "bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[16..31],members:4,8)",
    ),
    (
        sa.Sample(12345, 23456, 34567, 45678),
        "sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678)",
    ),
    (
        sa.Sample2(12345, 23456, 34567, 45678, 56789),
        "sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678,sampling_port=56789)",
    ),
    (
        sa.Sample3(1, 2, 3, 4, LOCAL, sa.SampleDirection.EGRESS),
        "sample(probability=1,collector_set_id=2,obs_domain_id=3,obs_point_id=4,sampling_port=LOCAL,egress)",
    ),
    # Open vSwitch 3.4 is the first that knows it.
    (sa.Sample4(12345, 23456, Subfield("in_port", 0, 16), Subfield("ct_label", 32, 32), 0), None),
    (ct.Ct(), "ct()"),
    (ct.Ct(ct.CtFlags.COMMIT | ct.CtFlags.FORCE, 10, 20), "ct(commit,force,table=20,zone=10)"),
    (ct.Ct(zone=Subfield("reg0", 4, 16)), "ct(zone=NXM_NX_REG0[4..19])"),
    (ct.Ct(alg=ct.CtAlg.TFTP), "ct(alg=tftp)"),
    (
        ct.Ct(1, actions=(lo.RegLoad("ct_mark", 0xF009, 32),)),
        {V10: "ct(commit,exec(load:0xf009->NXM_NX_CT_MARK[]))", V15: ""},
    ),
    (ct.Ct(actions=(ct.Nat(),)), "ct(nat)"),
    (
        ct.Ct(
            1,
            actions=(
                ct.Nat(
                    ct.NatFlags.SRC | ct.NatFlags.PERSISTENT,
                    ct.NatRange(0x0A0000F0, 0x0A0000FE, proto_min=32768, proto_max=65535),
                ),
            ),
        ),
        "ct(commit,nat(src=10.0.0.240-10.0.0.254:32768-65535,persistent))",
    ),
    (
        ct.Ct(1, actions=(ct.Nat(ct.NatFlags.DST, ct.NatRange(ipv6_min=1 << 96, ipv6_max=2 << 96, proto_min=8)),)),
        "ct(commit,nat(dst=[0:1::]-[0:2::]:8))",
    ),
    (ct.CtClear(), "ct_clear"),
    (en.Encap(en.PacketType.NSH, (en.EdPropNshMdType(1),)), "encap(nsh(md_type=1))"),
    (
        en.Encap(en.PacketType.NSH, (en.EdPropNshMdType(2), en.EdPropNshTlv(0x1000, 10, bytes.fromhex("12345678")))),
        "encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))",
    ),
    (en.Encap(en.PacketType.ETH), "encap(ethernet)"),
    (en.Decap(), "decap()"),
    (en.Decap(en.PacketType.IPV4), "decap(packet_type(ns=1,type=0x800))"),
    (en.DecNshTtl(), "dec_nsh_ttl"),
    (
        le.Learn(
            (
                le.LearnMatch("vlan_tci", "vlan_tci", 12),
                le.LearnMatch("eth_dst", "eth_src", 48),
                le.LearnMatch("in_port_nxm", 99, 16),
                le.LearnLoad("reg1", "in_port_nxm", 16, 16),
                le.LearnLoad("reg2", 0x12345, 20, 4),
                le.LearnOutput("in_port_nxm", 16),
            ),
            table_id=2,
            priority=80,
            idle_timeout=10,
            hard_timeout=20,
            fin_idle_timeout=2,
            fin_hard_timeout=4,
            cookie=0x123456789ABCDEF0,
            flags=le.LearnFlags.SEND_FLOW_REM | le.LearnFlags.DELETE_LEARNED,
        ),
        "learn(table=2,idle_timeout=10,hard_timeout=20,fin_idle_timeout=2,fin_hard_timeout=4,priority=80,send_flow_rem,"
        "delete_learned,cookie=0x123456789abcdef0,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
        "in_port=99,load:NXM_OF_IN_PORT[]->NXM_NX_REG1[16..31],load:0x12345->NXM_NX_REG2[4..23],"
        "output:NXM_OF_IN_PORT[])",
    ),
    (
        le.Learn2(
            (le.LearnMatch("eth_dst", "eth_src", 48), le.LearnOutput("in_port_nxm", 16)),
            flags=le.LearnFlags.WRITE_RESULT,
            limit=7,
            result_dst="reg0",
            result_dst_ofs=8,
        ),
        "learn(table=1,limit=7,result_dst=NXM_NX_REG0[8],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    ),
]

ALL = STANDARD + EXTENSIONS


def text_of(text: Text, version: int) -> str | None:
    """What Open vSwitch says in this version."""
    if not isinstance(text, dict):
        return text
    return text[max(since for since in text if since <= version)]
