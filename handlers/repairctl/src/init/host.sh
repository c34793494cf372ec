set -eu
umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "  $*"; }

# The unprivileged account of the gate. No password fits '*'. One that is a person's is not made the gate's.
lib=/var/lib/nagios-selfheal
least=$(sed -n 's/^UID_MIN[[:space:]]*//p' /etc/login.defs 2>/dev/null) || :
home=$(getent passwd repair | cut -d: -f6)
if [ -n "$home" ] && [ "$home" != $lib/home ] && [ "$(id -u repair)" -ge "${least:-1000}" ]; then
    echo "the account 'repair' (home $home) is here already and seems to be a person's. Give it another name:" >&2
    echo "usermod --login NEW repair. Or, if it is for the gate alone: usermod --home $lib/home repair" >&2; exit 1
fi
id repair >/dev/null 2>&1 || useradd --system --create-home --shell /bin/sh --password '*' repair
if [ -e $lib ] && [ "$(stat -c %u $lib)" != 0 ]; then
    echo "$lib is not root's. Is this the Nagios server itself? Then see 'The repaired host' in README." >&2; exit 1
fi
install -d -o root -g root -m 755 /etc/nagios-selfheal /usr/libexec/nagios-selfheal $lib
install -d -o repair -g repair -m 700 $lib/gate
say "account repair, and its directories"
# With KillUserProcesses=yes a repair, and a daemon that it started, would die with the SSH connection.
if [ -d /run/systemd/system ] && [ ! -e /usr/lib/systemd/logind.conf.d/repair-gate.conf ]; then
    install -d -m 755 /etc/systemd/logind.conf.d
    printf '[Login]\nKillExcludeUsers=root repair\n' > /etc/systemd/logind.conf.d/repair-gate.conf
    systemctl kill --kill-who=main --signal=HUP systemd-logind 2>/dev/null || :
    say "/etc/systemd/logind.conf.d/repair-gate.conf"
fi

# THE_GATE
# What may be run here, and it is all that can be.
# THE_REPAIRS

# Exactly those commands, for exactly that account. Run this again after every change of repairs.json.
helper=/usr/libexec/nagios-selfheal/repair-gate-sudoers
if [ ! -e $helper ]; then
cat > $helper.new <<'END_OF_HELPER'
# THE_HELPER
END_OF_HELPER
chmod 755 $helper.new
mv $helper.new $helper
say "$helper"
fi
$helper
checked=$(visudo -c 2>&1) || { echo "$checked" >&2; exit 1; }

# The Nagios server's key, which opens nothing but the gate.
home=$(getent passwd repair | cut -d: -f6)
[ -d "$home" ] || { echo "the account repair has no home $home: make it, root's, mode 755" >&2; exit 1; }
write='umask 027
[ -d "$HOME/.ssh" ] || mkdir -m 750 "$HOME/.ssh"
read -r line
grep -sqxF "$line" "$HOME/.ssh/authorized_keys" || echo "$line" >> "$HOME/.ssh/authorized_keys"'
if [ "$(stat -c %u "$home")" = 0 ] && { [ ! -e "$home/.ssh" ] || [ "$(stat -c %u "$home/.ssh")" = 0 ]; }; then
    # Root's, as the package makes it, so that the account can read its keys and not change them.
    echo 'KEY_LINE' | HOME=$home sh -c "$write"
    chgrp repair "$home/.ssh" "$home/.ssh/authorized_keys"
else
    # Its own: it writes there itself, for root would follow the links that it can have put there.
    echo 'KEY_LINE' | su -s /bin/sh repair -c "$write"
fi
keys=$home/.ssh/authorized_keys
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home/.ssh" /etc/nagios-selfheal /usr/libexec/nagios-selfheal || :; fi
say "$keys"
say "done; the key of this host is"
for type in ed25519 ecdsa rsa; do
    key=/etc/ssh/ssh_host_${type}_key.pub
    if [ -e $key ]; then ssh-keygen -lf $key; break; fi
done
