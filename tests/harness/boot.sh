#!/bin/sh -e
# Boots a machine: systemd on a copy-on-write view of a system, in a network namespace. Nothing it writes stays.
#   boot.sh DIRECTORY NAMESPACE BASE PARTS PREPARE
# BASE is the root of the system, / for this one; PARTS is copied to /parts in it; PREPARE is a script in there that makes the
# machine what it is.
directory=$1 namespace=$2 base=$3 parts=$4 prepare=$5

mount -t tmpfs -o mode=0755 tmpfs "$directory"
root=$directory/root
mkdir "$directory/upper" "$directory/work" "$root"
mount -t overlay -o "lowerdir=$base,upperdir=$directory/upper,workdir=$directory/work" overlay "$root"

# A clean machine: what this system has of ours is not there. (The labs of other tests are, and change while we look.)
rm -rf "$root/etc/nagios-selfheal" "$root/var/lib/nagios-selfheal" "$root/etc/sudoers.d/nagios-selfheal" "$root/run/sshd"
rm -f "$root/etc/machine-id"
: > "$root/etc/machine-id"
mkdir "$root/parts"
cp -a "$parts/." "$root/parts/"
mount -t proc proc "$root/proc"
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh -e "/parts/$prepare"
umount "$root/proc"

exec systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --console=pipe --resolv-conf=off \
    --timezone=off --link-journal=no --machine="$namespace" --network-namespace-path="/run/netns/$namespace"
