#!/usr/bin/env bash
# A Slurm cluster of one node, this machine: tests/helpers/slurm.sh start FOLDER; tests/helpers/slurm.sh stop FOLDER.
# It claims to have a GPU, so that jobs may ask for one.
# For tests alone, as root, with Debian's slurm-wlm and munge. State and logs lie in FOLDER; only the configuration has to
# lie in Slurm's own folder, since the inner srun looks nowhere else. A machine that has one is left alone.
set -euo pipefail
conf=/etc/slurm/slurm.conf
gres=/etc/slurm/gres.conf
folder=$(realpath -m "$2")

start() {
    [ ! -e "$conf" ] || { echo "$conf is there: this machine is part of a cluster" >&2; exit 1; }
    mkdir -p "$folder/state" "$folder/spool" /run/munge
    chown munge: /run/munge
    cat >"$conf" <<END
# of tests/helpers/slurm.sh
ClusterName=local
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MinJobAge=600
ReturnToService=2
InactiveLimit=0
KillWait=5
NodeName=$(hostname) NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(free -m | awk '/^Mem/ {print int($2 * 0.9)}') Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=$(hostname) Default=YES MaxTime=INFINITE State=UP
END
    echo "Name=gpu File=/dev/null" >"$gres"
    if [ ! -e /run/munge/munge.socket.2 ]; then
        runuser -u munge -- munged --pid-file=/run/munge/qebench.pid
        cp /run/munge/qebench.pid "$folder/munged.pid"
    fi
    slurmctld
    slurmd
    for _ in $(seq 60); do
        sinfo --noheader --format=%T 2>/dev/null | grep -q idle && return
        sleep 1
    done
    echo "the node is not idle after a minute: see $folder/slurmctld.log and slurmd.log" >&2
    exit 1
}

stop() {
    for daemon in slurmd slurmctld munged; do
        if [ -e "$folder/$daemon.pid" ]; then kill "$(cat "$folder/$daemon.pid")" || true; fi
    done
    if grep -qs "^# of tests/helpers/slurm.sh" "$conf"; then rm -f "$conf" "$gres"; fi
}

"$1"
