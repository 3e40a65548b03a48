#!/usr/bin/env python3
"""Holds every `aws` command in the texts named as arguments against Amazon's own description of its
services (botocore): that there is such an operation, that its options are ones of it, that none is
missing, and that JSON which is given is of the operation's shape.
"""

import json
import re
import shlex
import sys

import botocore.session
from botocore import xform_name
from botocore.validate import ParamValidator

# Of the program, for any operation.
GLOBAL = {"region", "query", "output", "profile", "cli-input-json", "no-cli-pager"}
# The program's own, which no service describes: options of `aws s3 sync`.
OWN = {("s3", "sync"): {"region", "delete", "exclude", "include", "dryrun"}}

SESSION = botocore.session.get_session()


def commands(text, quoted):
    """Commands at a line's start or in inline code; `quoted`: in strings, which end with the quote."""
    starts = r"\baws" if quoted else r"(?:(?:^|(?<=\n))(?: {4})?|(?<=`)|(?<=\$\())aws"
    for match in re.finditer(starts + r" [a-z0-9]+ [a-z0-9-]+ ?", text):
        rest = text[match.start() :]
        # Up to the end of a line or of inline code; what is quoted may span lines, and hold either.
        end, quote = 0, None
        while end < len(rest):
            char = rest[end]
            if quote:
                quote = None if char == quote else quote
            elif char in "'\"" and not quoted:
                quote = char
            elif char in "\n`)|'\"":
                break
            end += 1
        yield re.sub(r"\s+#.*$", "", rest[:end]).strip()


def token(member):
    """Whether the program makes up the value itself."""
    return member.metadata.get("idempotencyToken", False)


def check(command):
    """What is wrong with it."""
    words = shlex.split(command)
    service, verb, rest = words[1], words[2], words[3:]
    given = {word[2:]: rest[i + 1] if i + 1 < len(rest) else "" for i, word in enumerate(rest) if word.startswith("--")}
    if (service, verb) in OWN:
        return [f"no option --{name}" for name in given if name not in OWN[service, verb]]
    try:
        model = SESSION.get_service_model(service)
    except Exception:
        return [f"no service {service}"]
    if verb == "wait":
        waiters = SESSION.get_waiter_model(service)
        operations = {xform_name(name, "-"): waiters.get_waiter(name).operation for name in waiters.waiter_names}
        verb, rest = words[3], words[4:]
    else:
        operations = {xform_name(name, "-"): name for name in model.operation_names}
    if verb not in operations:
        return [f"no operation {verb}"]
    shape = model.operation_model(operations[verb]).input_shape
    members = shape.members if shape else {}
    names = {xform_name(name, "-"): name for name in members}
    flags = {"no-" + name for name, member in names.items() if members[member].type_name == "boolean"}
    wrong = [f"no option --{name}" for name in given if name not in GLOBAL | set(names) | flags]
    if "cli-input-json" in given:
        value = json.loads(given["cli-input-json"])
        tokens = {name: "made by the program" for name, member in members.items() if token(member)}
        value = tokens | value
        report = ParamValidator().validate(value, shape)
        return wrong + ([report.generate_report()] if report.has_errors() else [])
    required = {xform_name(name, "-") for name in (shape.required_members if shape else []) if not token(members[name])}
    return wrong + [f"--{name} is missing" for name in required - set(given)]


def main():
    seen, failed = 0, False
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text, quoted = file.read(), path.endswith(".tf")
            # A command may be put together from several strings.
            text = re.sub(r'",\n\s*"', " ", text) if quoted else text
            for command in commands(text, quoted):
                seen += 1
                for reason in check(command):
                    failed = True
                    print(f"{path}: {command}\n    {reason}", file=sys.stderr)
    # Were nothing found, nothing would be wrong.
    for wrong in ("aws ec2 get-console-outputs", "aws ec2 get-console-output --newest", "aws ec2 create-image --no-reboot"):
        if not check(wrong):
            sys.exit(f"this is taken, and should not be: {wrong}")
    if failed:
        sys.exit(1)
    print(seen)


main()
