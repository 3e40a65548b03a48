# The end of a machine's first boot: the service starts, and a machine that will never play makes room
# for another one. Its group would take it for one that plays when the launching hook times out, after
# an hour, and let the predecessor go for it. So it says why on its console, has the group give it up,
# and turns itself off, whether or not the group could be told. Before that there is time to look:
# `shutdown -c` keeps it.
#
# Arguments: its group, the launching hook, and region and address of Auto Scaling; none without a group.
if ! dpkg-query --show --showformat='${Status}' nonstop 2>/dev/null | grep -qx 'install ok installed'; then
    why='the package nonstop could not be installed'
else
    # What passes does so within minutes; meanwhile systemd starts it again and again.
    why='nonstop does not come up'
    for _ in $(seq 40); do
        timeout 60 systemctl enable --now nonstop.service && exit 0
        if systemctl is-failed --quiet nonstop.service; then
            why='nonstop refuses its configuration'
            break
        fi
        sleep 10
    done
    journalctl --unit nonstop.service --lines 20 --no-pager --output cat
fi
echo "nonstop: $why; this machine turns itself off in five minutes, for another one to be tried" >&2
off=
shutdown --poweroff +5 "nonstop: $why" && off=scheduled
# Where nothing turns it off at its time, this does.
trap '[ -n "$off" ] || systemctl poweroff' EXIT
[ "$#" -eq 4 ] || exit 0
sleep 180
if [ -n "$off" ] && ! shutdown --show >/dev/null 2>&1; then
    echo "nonstop: this machine is kept. Within the hour the group has to give it up, or it takes it for one that plays:" \
        "aws autoscaling complete-lifecycle-action --region $3 --auto-scaling-group-name $1 --lifecycle-hook-name $2" \
        "--lifecycle-action-result ABANDON --instance-id …" >&2
    exit 0
fi

# An image of one's own may be without it.
command -v curl >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get -y install curl
# What is secret comes to curl on its standard input, and so is in nobody's list of processes.
metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}/latest
ask() { curl --silent --fail --max-time 3 --retry 3 --retry-max-time 6 "$@"; }
token=$(ask --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/api/token")
say() { printf 'url = "%s/meta-data/%s"\nheader = "X-aws-ec2-metadata-token: %s"\n' "$metadata" "$1" "$token" | ask --config -; }
instance=$(say instance-id)
role=$(say "iam/security-credentials/$(say iam/security-credentials/ | head -n 1)")
field() { printf '%s\n' "$role" | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }
{
    printf 'aws-sigv4 = "aws:amz:%s:autoscaling"\nuser = "%s:%s"\n' "$3" "$(field AccessKeyId)" "$(field SecretAccessKey)"
    printf 'header = "X-Amz-Security-Token: %s"\n' "$(field Token)"
    printf 'data = "Action=CompleteLifecycleAction&Version=2011-01-01&LifecycleActionResult=ABANDON"\n'
    printf 'data = "%s=%s"\n' AutoScalingGroupName "$1" LifecycleHookName "$2" InstanceId "$instance"
} | curl --silent --show-error --fail --max-time 10 --retry 4 --retry-delay 2 --retry-all-errors --retry-max-time 40 \
    --output /dev/null --config - "$4/" || { echo "nonstop: the group $1 could not be told" >&2; exit 0; }
echo "nonstop: the group $1 tries another machine" >&2
