#!/usr/bin/env bash
# A real Slurm on this machine for the tests: one node on loopback, two GPUs that are /dev/null, no accounting, no systemd.
#   slurm.sh up FOLDER | down FOLDER       `up` prints the SLURM_CONF to export; both may be called again
# Needs root (slurmd starts jobs) and Debian's packages, which it installs where they are absent.
set -euo pipefail

command=${1:?up or down}
folder=$(mkdir -p "${2:?a folder for its state}" && cd "$2" && pwd)
node=$(hostname -s)
export SLURM_CONF=$folder/slurm.conf

runs() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

background() { # LOG COMMAND…: holds no pipe of the caller's open
  local log=$1
  shift
  setsid "$@" >"$log" 2>&1 </dev/null &
}

until_it_answers() {
  for _ in $(seq 120); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.25
  done
  echo "slurm.sh: gave up waiting for: $*" >&2
  tail -n 5 "$folder"/*.log >&2
  exit 1
}

node_is_up() { sinfo --noheader --format=%T | grep -Eq '^(idle|mixed|allocated|drained|draining)'; }

install() {
  if command -v slurmctld slurmd munged sbatch >/dev/null; then return; fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge slurm-client >/dev/null
}

configure() {
  mkdir -p "$folder"/{state,spool,munge}
  chmod 755 "$folder" "$folder"/{state,spool,munge}
  # munged wants parents that nobody else may write to, or --force, which the start below says
  if [ ! -f "$folder/munge/key" ]; then
    head -c 1024 /dev/urandom >"$folder/munge/key"
    chmod 400 "$folder/munge/key"
  fi
  for gpu in 0 1; do
    [ -e "$folder/gpu$gpu" ] || mknod "$folder/gpu$gpu" c 1 3
  done
  printf 'NodeName=%s Name=gpu File=%s/gpu[0-1]\n' "$node" "$folder" >"$folder/gres.conf"
  echo "CgroupPlugin=cgroup/v1" >"$folder/cgroup.conf"
  cat >"$SLURM_CONF" <<CONF
ClusterName=roundabout
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
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
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=1,sched_interval=2,bf_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=5
MinJobAge=7200
OverTimeLimit=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=6000 Gres=gpu:2 State=UNKNOWN
PartitionName=gpu Nodes=$node Default=YES DefaultTime=60 MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF DefMemPerCPU=500
PartitionName=low Nodes=$node DefaultTime=60 MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE DefMemPerCPU=500
CONF
}

up() {
  install
  configure
  runs "$folder/munge/pid" || munged --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/pid" --log-file="$folder/munge.log" --seed-file="$folder/munge/seed"
  runs "$folder/slurmctld.pid" || background "$folder/slurmctld.out.log" slurmctld -D
  until_it_answers scontrol ping
  runs "$folder/slurmd.pid" || background "$folder/slurmd.out.log" slurmd -D -N "$node"
  until_it_answers node_is_up
  echo "$SLURM_CONF"
}

down() {
  if runs "$folder/slurmctld.pid"; then scancel --full --user="$(id -un)" 2>/dev/null || true; fi
  for file in slurmd.pid slurmctld.pid munge/pid; do
    if runs "$folder/$file"; then kill "$(cat "$folder/$file")"; fi
  done
}

"$command"
