# The agent is not in Debian. What it is for is a look at the machine, so the channel does not wait
# for it, and is on the air without it.
agent=/run/amazon-ssm-agent.deb
curl --fail --silent --show-error --location --retry 5 --output "$agent" '${url}' && dpkg --install "$agent"
rm -f "$agent"
