"""What a machine says to its group when it will never play: start.sh with a metadata service and an
Auto Scaling of our own, which holds each signature against botocore's.

Arguments: start.sh.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "eu-central-1"
ROLE = Credentials("ASIA" + "0ABC" * 4, "+secret/" * 5, "IQoJ+token/" * 60 + "==")
SAYS = {
    "instance-id": "i-0abc12de34f567890",
    "iam/security-credentials/": "nonstop-lofi-eu-central-1",
    "iam/security-credentials/nonstop-lofi-eu-central-1": json.dumps(
        {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": ROLE.access_key,
            "SecretAccessKey": ROLE.secret_key,
            "Token": ROLE.token,
            "Expiration": "2036-01-01T00:00:00Z",
        },
        indent=2,
    ),
}
WANTED = {
    "Action": "CompleteLifecycleAction",
    "Version": "2011-01-01",
    "LifecycleActionResult": "ABANDON",
    "AutoScalingGroupName": "nonstop-lofi",
    "LifecycleHookName": "nonstop-launching",
    "InstanceId": "i-0abc12de34f567890",
}
# Programs of ours in the place of the system's: nothing is installed, and turning off is only noted.
STANDS_IN = {
    "dpkg-query": "exit 1",
    "sleep": "",
    "shutdown": '[ "$1" != --show ] || exit "$TAKEN_BACK"; echo "$@" >"$NOTES/shutdown.said"; exit "$UNSCHEDULED"',
    "systemctl": 'echo "$@" >"$NOTES/systemctl.said"',
    "curl": 'printf "%s\\n" "$@" >>"$NOTES/arguments.said"; exec /usr/bin/curl "$@"',
}


class Cloud(BaseHTTPRequestHandler):
    """One machine's metadata service, version 2, and Auto Scaling, which fails `failures` times."""

    def reply(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        lives = int(self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", 0))
        good = self.server.has_metadata and self.path == "/latest/api/token" and 1 <= lives <= 21600
        self.reply(200, "AQAE-token==") if good else self.reply(400)

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != "AQAE-token==":
            return self.reply(401)
        text = SAYS.get(self.path.removeprefix("/latest/meta-data/"))
        self.reply(404) if text is None else self.reply(200, text)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        objection = self.objection(body)
        self.server.asked.append((body, objection))
        self.server.failures -= 1
        self.reply(403 if objection else 400 if self.server.failures >= 0 else 200)

    def objection(self, body):
        """What Amazon would not take about the signature."""
        scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            return "it is not signed"
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        key, *scope = parts["Credential"].split("/")
        date = self.headers["X-Amz-Date"]
        if key != ROLE.access_key or scope != [date[:8], REGION, "autoscaling", "aws4_request"]:
            return f"it is signed by {key} for {scope}"
        age = datetime.now(timezone.utc) - datetime.strptime(date + "+0000", "%Y%m%dT%H%M%SZ%z")
        if abs(age.total_seconds()) > 60:
            return f"it is {age} old"
        names = parts["SignedHeaders"].split(";")
        if self.headers["X-Amz-Security-Token"] != ROLE.token or not {"host", "x-amz-date", "x-amz-security-token"} <= set(names):
            return f"the session's token is not signed, only {names}"
        url = f"http://{self.headers['Host']}{self.path}"
        request = AWSRequest("POST", url, {name: self.headers[name] for name in names}, body.encode())
        request.context["timestamp"] = date
        judge = SigV4Auth(ROLE, "autoscaling", REGION)
        signature = judge.signature(judge.string_to_sign(request, judge.canonical_request(request)), request)
        return None if signature == parts["Signature"] else "the signature is another"

    def log_message(self, *_):
        pass


def given_up(start, failures=0, has_metadata=True, taken_back=False, unscheduled=False):
    """Runs start.sh; gives what Auto Scaling was asked, what was said, and what was noted."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    server.failures, server.has_metadata, server.asked = failures, has_metadata, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in STANDS_IN.items():
            program = Path(folder, name)
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
        done = subprocess.run(
            ["sh", "-c", start, "start", "nonstop-lofi", "nonstop-launching", REGION, here],
            env={
                "PATH": f"{folder}:/usr/bin:/bin",
                "NOTES": folder,
                "TAKEN_BACK": str(int(taken_back or unscheduled)),
                "UNSCHEDULED": str(int(unscheduled)),
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": here,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        notes = {note.name: note.read_text() for note in Path(folder).glob("*.said")}
    server.shutdown()
    said, off = done.stdout + done.stderr, notes.get("shutdown.said")
    assert off == "--poweroff +5 nonstop: the package nonstop could not be installed\n", off
    assert notes.get("systemctl.said") == ("poweroff\n" if unscheduled else None), notes
    for secret in (ROLE.access_key, ROLE.secret_key, ROLE.token, "AQAE-token=="):
        assert secret not in notes.get("arguments.said", "") and secret not in said, "a secret is among arguments, or was said"
    return server.asked, said


def main():
    """One case after the other."""
    start = Path(sys.argv[1]).read_text()

    asked, said = given_up(start)
    assert [objection for _, objection in asked] == [None], asked
    assert parse_qs(asked[0][0]) == {name: [value] for name, value in WANTED.items()}, asked
    assert "tries another machine" in said, said

    asked, said = given_up(start, failures=2)
    assert [objection for _, objection in asked] == [None] * 3 and "tries another machine" in said, (asked, said)

    asked, said = given_up(start, failures=99)
    assert 2 < len(asked) < 8 and "could not be told" in said, (len(asked), said)

    asked, said = given_up(start, has_metadata=False)
    assert "could not be told" in said and "tries another machine" not in said, said

    asked, said = given_up(start, taken_back=True)
    assert not asked, "somebody wants to look at the machine, and it is given up"
    assert "complete-lifecycle-action --region eu-central-1 --auto-scaling-group-name nonstop-lofi" in said, said

    # Nothing on this machine turns it off at its time.
    asked, said = given_up(start, unscheduled=True)
    assert [objection for _, objection in asked] == [None] and "tries another machine" in said, (asked, said)


main()
