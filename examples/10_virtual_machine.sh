#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Starts a virtual machine with one of Pollux's network cards in it, for tests of any driver:
#   10_virtual_machine.sh [NIC OPTIONS] -- QEMU OPTIONS
# e.g. as root, once:  ip tuntap add tap0 mode tap user $USER; ip addr add 10.0.0.1/24 dev tap0; ip link set tap0 up
#      10_virtual_machine.sh --wire tap:tap0 -- -accel kvm -cpu host -hda debian.qcow2
# NIC OPTIONS are those of pollux-simnic (--nic 82599 unless told otherwise). QEMU 10.1 or newer is needed.
# SIMNIC, QEMU: the programs, if they are not in PATH; MEMORY: the machine's, default 2G.
set -eu

simnic=${SIMNIC:-pollux-simnic} qemu=${QEMU:-qemu-system-x86_64} memory=${MEMORY:-2G}
case " $* " in
*" --help "* | *" -h "*) sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
*" -- "*) ;;
*) echo "usage: $0 [NIC OPTIONS] -- QEMU OPTIONS (see --help)" >&2; exit 2 ;;
esac
for program in "$simnic" "$qemu"; do
  command -v "$program" >/dev/null || { echo "$0: no $program; say where it is: SIMNIC=, QEMU=" >&2; exit 1; }
done
"$qemu" -device help 2>&1 | grep -q '"vfio-user-pci"' ||
  { echo "$0: $qemu knows no vfio-user-pci: QEMU 10.1 or newer does (Debian: trixie-backports)" >&2; exit 1; }

# Everything before the -- goes to the NIC.
nic="--nic 82599" nic_options=""
while [ "$1" != "--" ]; do
  case $1 in --nic | --nic=*) nic="" ;; esac
  case $1 in *[!A-Za-z0-9_.,:=/-]*) echo "$0: '$1': only plain words here" >&2; exit 2 ;; esac
  nic_options="$nic_options $1"
  shift
done
shift

directory=$(mktemp -d)
# shellcheck disable=SC2086  (words without blanks, as was checked)
"$simnic" $nic $nic_options --socket "$directory/nic" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" || true; rmdir "$directory"' EXIT
trap 'exit 130' INT TERM
while ! [ -S "$directory/nic" ]; do
  kill -0 "$server" 2>/dev/null || exit 1  # it has said why
  sleep 0.1
done

# The guest's memory must be shared with the NIC; without that its DMA goes by message, and slowly.
"$qemu" -m "$memory" -object "memory-backend-memfd,id=pollux-memory,size=$memory,share=on" \
  -machine q35,memory-backend=pollux-memory \
  -device "{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"$directory/nic\"}}" "$@"
