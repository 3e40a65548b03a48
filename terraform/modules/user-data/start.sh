# Its group takes a machine that says nothing for one that plays, after an hour, and lets the
# predecessor go for it. So one that will never play, however long it is waited for, says why on its
# console and turns itself off, which the group sees at once. Until it does there is time to look:
# `shutdown -c` keeps it.
if ! dpkg-query --show --showformat='${Status}' nonstop 2>/dev/null | grep -qx 'install ok installed'; then
    why='the package nonstop could not be installed'
elif systemctl enable --now nonstop.service || ! systemctl is-failed --quiet nonstop.service; then
    # It runs, or systemd starts it again and again.
    exit 0
else
    why='nonstop refuses its configuration'
    journalctl --unit nonstop.service --lines 20 --no-pager --output cat
fi
echo "nonstop: $why; this machine turns itself off in five minutes, for another one to be tried" >&2
shutdown --poweroff +5 "nonstop: $why"
