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

# A clean machine: what this system has of ours is not there, whether packages, `make install` or init have made it, nor what
# rpm knows of it (Debian's keeps that below /root). (The labs of other tests are, and change while we look.)
cd "$root"
rm -rf etc/nagios-selfheal var/lib/nagios-selfheal etc/sudoers.d/nagios-selfheal run/sshd var/lib/rpm root/.rpmdb var/lib/dnf
find usr/bin usr/libexec usr/share usr/local usr/lib/systemd usr/lib/sysusers.d usr/lib/tmpfiles.d usr/lib*/nagios lib/systemd \
    etc/nagios* etc/systemd etc/logrotate.d \( -name '*selfheal*' -o -name '*repairctl*' -o -name 'repair[-_]*' \
    -o -name '*handle_repair*' -o -name '*check_repairs*' \) -prune -exec rm -rf {} + 2>/dev/null || :
# Accounts that the packages or the lab make, and people of these names.
sed -i -e '/^repair:/d' -e '/^admin:/d' etc/passwd etc/shadow etc/group etc/gshadow
rm -rf home/repair home/admin etc/machine-id
: > etc/machine-id
cd /
mkdir "$root/parts"
cp -a "$parts/." "$root/parts/"
mount -t proc proc "$root/proc"
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /bin/sh -e "/parts/$prepare"
umount "$root/proc"

exec systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --console=pipe --resolv-conf=off \
    --timezone=off --link-journal=no --machine="$namespace" --network-namespace-path="/run/netns/$namespace"
