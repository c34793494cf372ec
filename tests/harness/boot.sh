#!/bin/sh -e
# Boots systemd in a network namespace, on a copy-on-write overlay of a system. All changes are
# discarded at the end.
#   boot.sh DIRECTORY NAMESPACE BASE PARTS PREPARE
# BASE is the root directory of the system, / for the running one. PARTS is copied to /parts in the
# machine. PREPARE is the name of a script in PARTS that configures the machine before it boots.
directory=$1 namespace=$2 base=$3 parts=$4 prepare=$5

mount -t tmpfs -o mode=0755 tmpfs "$directory"
root=$directory/root
mkdir "$directory/upper" "$directory/work" "$root"
mount -t overlay -o "lowerdir=$base,upperdir=$directory/upper,workdir=$directory/work" overlay "$root"

# Remove files that this project's packages, `make install` or `repairctl init` may have put on this
# system. Remove the rpm database too, which Debian's rpm keeps below /root. Ignore errors from
# find, because other tests change files in their labs at the same time.
cd "$root"
rm -rf etc/nagios-selfheal var/lib/nagios-selfheal etc/sudoers.d/nagios-selfheal run/sshd var/lib/rpm root/.rpmdb var/lib/dnf
find usr/bin usr/libexec usr/share usr/local usr/lib/systemd usr/lib/sysusers.d usr/lib/tmpfiles.d usr/lib*/nagios lib/systemd \
    etc/nagios* etc/systemd etc/logrotate.d \( -name '*selfheal*' -o -name '*repairctl*' -o -name 'repair[-_]*' \
    -o -name '*handle_repair*' -o -name '*check_repairs*' \) -prune -exec rm -rf {} + 2>/dev/null || :
# Remove accounts and home directories with the names that the packages and the lab use.
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
