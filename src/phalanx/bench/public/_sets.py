"""Public data that benchmarks measure on: what it is, whose, and which files of it. None of it is ours to ship."""

from dataclasses import dataclass

_ATOMIC = "datasets/atomic"
# Of the recordings of OTRF those that the figures are of: folder below `datasets/atomic`, and archives in it.
_RECORDINGS: dict[str, str] = {
    "aws/collection": "ec2_proxy_s3_exfiltration",
    "aws/discovery": "aws_s3_honeybucketlogs",
    "linux/defense_evasion/host": "sh_binary_padding_dd",
    "linux/discovery/host": "sh_arp_cache",
    "windows/collection/host": "msf_record_mic",
    "windows/discovery/host": (
        "cmd_discover_iexplorer_version_registry cmd_seatbelt_group_user "
        "covenant_getdomaingroup_ldap_searchrequest_domain_admins "
        "empire_find_localadmin_smb_svcctl_OpenSCManager empire_getsession_dcerpc_smb_srvsvc_NetSessEnum "
        "empire_shell_net_local_users empire_shell_net_localgroup_administrators "
        "empire_shell_rpc_samr_smb_group_domain_admins_standard_user empire_shell_samr_EnumDomainUsers"
    ),
    "windows/discovery/network": (
        "covenant_getdomaingroup_ldap_searchrequest_domain_admins "
        "empire_find_localadmin_smb_svcctl_OpenSCManager empire_getsession_dcerpc_smb_srvsvc_NetSessEnum "
        "empire_shell_rpc_samr_smb_group_domain_admins_standard_user empire_shell_samr_EnumDomainUsers"
    ),
    "windows/execution/host": (
        "cmd_sharpview_pcre_net empire_launcher_vbs psh_powershell_httplistener psh_python_webserver"
    ),
    "windows/other": "aptsimulator_cobaltstrike raccine_samples raccine_simulation_mode",
    "windows/persistence/host": (
        "cmd_userinitmprlogonscript_batch empire_schtasks_creation_standard_user proxylogon_ssrf_rce_poc"
    ),
    "windows/privilege_escalation/host": "cmd_service_mod_fax empire_uac_shellapi_fodhelper",
}


@dataclass(frozen=True, slots=True)
class DataSet:
    """``folder`` is where it lies below the folder of data, ``paths`` what is taken of ``repository`` at ``commit``.

    Without ``paths`` it is made of something that is not published as files; then ``made`` says how.
    """

    name: str
    title: str
    folder: str
    repository: str
    commit: str
    licence: str
    paths: tuple[str, ...] = ()
    made: str = ""


SETS = {
    one.name: one
    for one in (
        DataSet(
            "sigma", "rules of SigmaHQ", "rules/sigma", "SigmaHQ/sigma", "8eaafff1f2845a696050e05e72ba1140ee190698",
            "Detection Rule License 1.1", ("rules", "LICENSE"),
        ),
        DataSet(
            "otrf", "attacks recorded by the Open Threat Research Forge", "logs/otrf_security_datasets",
            "OTRF/Security-Datasets", "d9d40ef123d2c87d5d3df28c96bcab4f0faccc87", "MIT",
            (
                "LICENSE", f"{_ATOMIC}/_metadata",
                *(f"{_ATOMIC}/{folder}/{name}.zip" for folder, names in _RECORDINGS.items() for name in names.split()),
            ),
        ),
        DataSet(
            "evtx", "event logs of Windows by tactic", "logs/evtx_attack_samples", "sbousseaden/EVTX-ATTACK-SAMPLES",
            "4ceed2f4706daf601c212a8f91c113dd85349a2c", "GPL-3.0", ("*.evtx", "LICENSE.GPL"),
        ),
        DataSet(
            "nsl-kdd", "flows that others labelled (NSL-KDD)", "intrusion/nsl_kdd", "defcom17/NSL_KDD",
            "27bbbdf5c5cccf9970b8b6037a0f19dc09c5a0a9", "free for research, with citation of Tavallaee et al. 2009",
            ("KDDTrain+.txt", "KDDTest+.txt", "KDDTest-21.txt"),
        ),
        DataSet(
            "qasmbench", "circuits of QASMBench", "circuits/qasmbench", "pnnl/QASMBench",
            "357b942396d5c2b7cbc1c229c585a6ef5ccaebac", "BSD-style", ("small", "medium", "large", "LICENSE"),
        ),
        DataSet(
            "queues", "queues of twelve IBM machines by the minute, November 2023", "queues/ibm_2023_11",
            "manosgior/Qonductor-SC25", "d85452e9a492acfa05f2c50982f2451b41f92d7c", "MIT",
            ("data/ibm_status/load_imbalance",), "the first look at each machine in a minute, of six days",
        ),
        DataSet(
            "perth", "daily calibrations of one IBM machine, 2023", "calibrations/ibm_perth_daily",
            "manosgior/Qonductor-SC25", "d85452e9a492acfa05f2c50982f2451b41f92d7c", "MIT",
            ("data/ibm_status/temporal_variance/calibration_data",), "a row for each qubit and gate of a day",
        ),
        DataSet(
            "braun", "Braun's instances of 512 tasks on 16 machines", "scheduling/braun_hcsp", "chgogos/hcsp",
            "6bcdd85199b65fbeb591a4a795214ec026c4acc4", "Apache-2.0",
            made="with bounds from an LP solver, which are not published",
        ),
        DataSet(
            "rcmax", "200 instances of R||Cmax", "scheduling/rcmax", "INFORMSJoC/2021.0326",
            "8e13c2be9f9f1ed71d6bffe1bdb64f7ade331790", "MIT",
            made="with bounds from an LP solver, which are not published",
        ),
    )
}  # fmt: skip
