#!/bin/sh -e
# Installs the gate as its package does, with the account, sudo and sshd. The script runs in its own
# mount namespace, so its changes in /etc, /usr, /var and /dev are visible only to this sshd and its
# child processes, and disappear when these processes have ended. Usage: install.sh LAB GATE LINE
# [SUDO]. LAB contains etc/repairs.json, sshd_config and the keys. LINE is the beginning of the
# authorized_keys line, without the key. SUDO is a directory with the sudo and visudo to install.
lab=$1 gate=$2 line=$3 sudo=$4

mount -t tmpfs -o mode=0755 tmpfs "$lab/private"
for dir in etc usr var dev; do
    mkdir "$lab/private/$dir" "$lab/private/$dir.work"
    upper="$lab/private/$dir"
    mount -t overlay -o "lowerdir=/$dir,upperdir=$upper,workdir=$upper.work" overlay "/$dir"
done

home=/var/lib/nagios-selfheal/home
# Add an account with a name in ISO-8859-1.
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
# sshd(8) would run the file `rc` and read the file `environment` if the authorized_keys line did
# not forbid it.
install -d -m 0700 -o repair -g repair "$home" "$home/.ssh"
echo "touch $lab/drop/rc" > "$home/.ssh/rc"
echo "REPAIR_GATE_STATE=/tmp" > "$home/.ssh/environment"
chown repair: "$home/.ssh/rc" "$home/.ssh/environment"

# The overlay hides the mounts below /dev, so mount devpts again. Without devpts, no login could get
# a terminal, and the tests would not show that the authorized_keys line forbids it.
mount -t devpts -o ptmxmode=0666,mode=0620,gid=5 devpts /dev/pts
rm -f /dev/log
ln -s "$lab/log" /dev/log
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f "$lab/sshd_config"
