#!/bin/sh -e
# Boots a machine: systemd on a copy-on-write view of this system, in a network namespace. Nothing it writes stays.
#   boot.sh DIRECTORY NAMESPACE PREPARE     PREPARE is a script that makes the machine what it is, run in its root
directory=$1 namespace=$2 prepare=$3

mount -t tmpfs -o mode=0755 tmpfs "$directory"
root=$directory/root
mkdir "$directory/upper" "$directory/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" overlay "$root"

# A clean machine: what this system or another lab has of ours is not there.
rm -rf "$root/etc/nagios-selfheal" "$root"/var/lib/nagios-selfheal* "$root/etc/sudoers.d/nagios-selfheal" "$root/run/sshd"
rm -f "$root/etc/machine-id"
: > "$root/etc/machine-id"
mkdir "$root/quickstart"
cp -a "$(dirname "$prepare")/." "$root/quickstart/"
mount -t proc proc "$root/proc"
chroot "$root" /bin/sh -e "/quickstart/$(basename "$prepare")"
umount "$root/proc"

exec systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --console=pipe --resolv-conf=off \
    --timezone=off --link-journal=no --machine="$namespace" --network-namespace-path="/run/netns/$namespace"
