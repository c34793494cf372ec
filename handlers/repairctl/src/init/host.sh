set -eu
umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "  $*"; }

# The gate's unprivileged account. '*' disables its password. Stop if an account with this name
# seems to belong to a person.
lib=/var/lib/nagios-selfheal
least=$(sed -n 's/^UID_MIN[[:space:]]*//p' /etc/login.defs 2>/dev/null) || :
home=$(getent passwd repair | cut -d: -f6)
if [ -n "$home" ] && [ "$home" != $lib/home ] && [ "$(id -u repair)" -ge "${least:-1000}" ]; then
    echo "the account 'repair' (home $home) exists and seems to belong to a person." >&2
    echo "To rename it: usermod --login NEW repair" >&2
    echo "If only the gate uses it: usermod --home $lib/home repair" >&2
    exit 1
fi
id repair >/dev/null 2>&1 || useradd --system --create-home --shell /bin/sh --password '*' repair
if [ -e $lib ] && [ "$(stat -c %u $lib)" != 0 ]; then
    echo "$lib does not belong to root." >&2
    echo "If this is the Nagios server itself, see 'The repaired host' in nagios-selfheal(7)." >&2
    exit 1
fi
install -d -o root -g root -m 755 /etc/nagios-selfheal /usr/libexec/nagios-selfheal $lib
install -d -o repair -g repair -m 700 $lib/gate
say "account repair and its directories"
# With KillUserProcesses=yes, logind would kill a repair and the daemons that it started as soon as
# the SSH connection ends.
if [ -d /run/systemd/system ] && [ ! -e /usr/lib/systemd/logind.conf.d/repair-gate.conf ]; then
    install -d -m 755 /etc/systemd/logind.conf.d
    printf '[Login]\nKillExcludeUsers=root repair\n' > /etc/systemd/logind.conf.d/repair-gate.conf
    systemctl kill --kill-who=main --signal=HUP systemd-logind 2>/dev/null || :
    say "/etc/systemd/logind.conf.d/repair-gate.conf"
fi

# INSERT_GATE

# The file with the repairs. The gate runs only the commands in this file.
# INSERT_REPAIRS

# The sudo rules, which permit the account to run exactly the commands in repairs.json. Run the
# program below again after every change to repairs.json.
helper=/usr/libexec/nagios-selfheal/repair-gate-sudoers
if [ ! -e $helper ]; then
cat > $helper.new <<'END_OF_HELPER'
# INSERT_HELPER
END_OF_HELPER
chmod 755 $helper.new
mv $helper.new $helper
say "$helper"
fi
$helper
checked=$(visudo -c 2>&1) || { echo "$checked" >&2; exit 1; }

# Allow the Nagios server's key to log in. It can start only the gate.
home=$(getent passwd repair | cut -d: -f6)
[ -d "$home" ] || {
    echo "$home: repair's home directory is missing; create it with owner root and mode 755" >&2
    exit 1
}
write='umask 027
[ -d "$HOME/.ssh" ] || mkdir -m 750 "$HOME/.ssh"
read -r line
grep -sqxF "$line" "$HOME/.ssh/authorized_keys" || echo "$line" >> "$HOME/.ssh/authorized_keys"'
if [ "$(stat -c %u "$home")" = 0 ] && { [ ! -e "$home/.ssh" ] || [ "$(stat -c %u "$home/.ssh")" = 0 ]; }; then
    # The home directory belongs to root, as on a host with the package. The file will belong to
    # root too, so the account can read its keys but not change them.
    echo 'KEY_LINE' | HOME=$home sh -c "$write"
    chgrp repair "$home/.ssh" "$home/.ssh/authorized_keys"
else
    # The account owns the home directory and can put links there, which root would follow. So write
    # the file as the account.
    echo 'KEY_LINE' | su -s /bin/sh repair -c "$write"
fi
keys=$home/.ssh/authorized_keys
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home/.ssh" /etc/nagios-selfheal /usr/libexec/nagios-selfheal || :; fi
say "$keys"
say "done; this is the SSH host key of this host:"
for type in ed25519 ecdsa rsa; do
    key=/etc/ssh/ssh_host_${type}_key.pub
    if [ -e $key ]; then ssh-keygen -lf $key; break; fi
done
