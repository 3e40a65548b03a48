# cloud-init has tried to install the package already. Where a mirror was away, it is tried again
# here, for ten minutes: a machine that gives up at its first boot is one that nobody looks at.
for pause in 0 15 30 60 120 180 180; do
    dpkg-query --show --showformat='${Status}' nonstop 2>/dev/null | grep -qx 'install ok installed' && break
    sleep "$pause"
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Options::=--force-confold install nonstop
done
