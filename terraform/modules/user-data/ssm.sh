# The agent is not in Debian. What it is for is a look at the machine, most of all at one on which the
# package cannot be installed: so it comes before that, and beside it, so that the channel does not
# wait for it. Argument: its address.
agent=/run/amazon-ssm-agent.deb
# An image of one's own may be without it.
command -v curl >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get -y install curl
curl --fail --silent --show-error --location --max-time 300 --retry 5 --output "$agent" "$1" || exit 1
# While apt is at work it holds the lock; and dpkg minds nothing that apt has left half done.
for _ in $(seq 80); do
    dpkg --install "$agent" && break
    sleep 15
done
rm -f "$agent"
