#!/bin/sh -e
# Installs the gate as its package does, with the account, sudo and sshd, in a mount namespace of
# its own: only this sshd and what it starts see what is written to /etc, /usr, /var and /dev here,
# and it is gone when they end.
#   install.sh LAB GATE LINE [SUDO]
# LAB holds etc/repairs.json, sshd_config and the keys; LINE begins authorized_keys; SUDO is a
# directory with the sudo and visudo to install
lab=$1 gate=$2 line=$3 sudo=$4

mount -t tmpfs -o mode=0755 tmpfs "$lab/private"
for dir in etc usr var dev; do
    mkdir "$lab/private/$dir" "$lab/private/$dir.work"
    upper="$lab/private/$dir"
    mount -t overlay -o "lowerdir=/$dir,upperdir=$upper,workdir=$upper.work" overlay "/$dir"
done

home=/var/lib/nagios-selfheal/home
# A person whose name is in ISO-8859-1.
printf 'jose:x:29991:29991:Jos\351:/nonexistent:/bin/sh\n' >> /etc/passwd
echo "repair:x:29990:29990::$home:/bin/sh" >> /etc/passwd
echo "repair:x:29990:" >> /etc/group
echo "repair:*:19000::::::" >> /etc/shadow

if [ -n "$sudo" ]; then
    install -m 4755 "$sudo/sudo" /usr/bin/sudo
    install -m 0755 "$sudo/visudo" /usr/sbin/visudo
fi
install -D -m 0755 "$gate" /usr/libexec/nagios-selfheal/repair_gate
install -D -m 0644 "$lab/etc/repairs.json" /etc/nagios-selfheal/repairs.json
install -d -m 0755 /var/lib/nagios-selfheal
install -d -m 0700 -o repair -g repair /var/lib/nagios-selfheal/gate
/usr/libexec/nagios-selfheal/repair_gate sudoers > /etc/sudoers.d/nagios-selfheal
chmod 0440 /etc/sudoers.d/nagios-selfheal

install -d -m 0755 /etc/ssh/keys
echo "$line $(cat "$lab/key.pub")" > /etc/ssh/keys/repair
# sshd(8) would run this file, and read that one, if the line did not keep it from it.
install -d -m 0700 -o repair -g repair "$home" "$home/.ssh"
echo "touch $lab/drop/rc" > "$home/.ssh/rc"
echo "REPAIR_GATE_STATE=/tmp" > "$home/.ssh/environment"
chown repair: "$home/.ssh/rc" "$home/.ssh/environment"

# The overlay hides what is mounted below /dev, and without it a terminal would be refused for the
# wrong reason.
mount -t devpts -o ptmxmode=0666,mode=0620,gid=5 devpts /dev/pts
rm -f /dev/log
ln -s "$lab/log" /dev/log
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f "$lab/sshd_config"
