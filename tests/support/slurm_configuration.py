"""The configuration of a SLURM that runs on one machine, whose user is root."""

import os
import secrets
import socket
import stat
from pathlib import Path

NODES = ("one", "two")
GPUS, CORES, MEMORY = 2, 4, 4096  # per node; the machine may have less
NULL_DEVICE = os.makedev(1, 3)  # /dev/null


def write_configuration(folder: Path) -> None:
    """Write all that a cluster needs into ``folder``: `slurm.conf`, `gres.conf`, munge's key, fake GPUs."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    devices = folder / "devices"
    devices.mkdir()
    for number in range(GPUS):
        os.mknod(devices / f"gpu{number}", stat.S_IFCHR | 0o666, NULL_DEVICE)
    for name in ("state", *(f"spool_{node}" for node in NODES)):
        (folder / name).mkdir()
    host = socket.gethostname()
    controller, *ports = _free_ports(1 + len(NODES))
    lines = [
        "ClusterName=convscope",
        f"SlurmctldHost={host}(127.0.0.1)",
        f"SlurmctldPort={controller}",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge.socket",
        "CredType=cred/munge",
        f"StateSaveLocation={folder}/state",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmctldLogFile={folder}/slurmctld.log",
        f"SlurmdSpoolDir={folder}/spool_%n",
        f"SlurmdPidFile={folder}/slurmd_%n.pid",
        f"SlurmdLogFile={folder}/slurmd_%n.log",
        "ProctrackType=proctrack/linuxproc",  # no control groups, no accounting: a container offers neither
        "TaskPlugin=task/none",
        "JobAcctGatherType=jobacct_gather/none",
        "AccountingStorageType=accounting_storage/none",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "SlurmdParameters=config_overrides",  # the nodes have the resources given below, whatever the machine has
        "ReturnToService=2",
        "SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000",
        "KillWait=15",
        "MpiDefault=none",
        "GresTypes=gpu",
        *(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CORES} RealMemory={MEMORY} "
            f"Gres=gpu:{GPUS}"
            for node, port in zip(NODES, ports, strict=True)
        ),
        "PartitionName=all Nodes=ALL Default=YES MaxTime=60 State=UP",
    ]
    (folder / "slurm.conf").write_text("\n".join(lines) + "\n")
    (folder / "gres.conf").write_text(f"Name=gpu File={devices}/gpu[0-{GPUS - 1}]\n")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for bound in sockets:
            bound.bind(("127.0.0.1", 0))
        return [bound.getsockname()[1] for bound in sockets]
    finally:
        for bound in sockets:
            bound.close()
