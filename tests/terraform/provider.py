"""hashicorp/aws as far as its schema goes: enough for `terraform validate` and for mock_provider.

It speaks Terraform's plugin protocol, knows every argument, its type and whether it must be given,
and can do nothing. The schema is aws-schema.json, which `tests/terraform/schema` takes from the real
provider. Prints what TF_REATTACH_PROVIDERS has to be, and serves until its standard input ends.
"""

import json
import os
import sys
import tempfile
from concurrent import futures
from pathlib import Path

import grpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as rpc

NESTING = pb.Schema.NestedBlock
BLOCKS = {
    "single": NESTING.SINGLE,
    "list": NESTING.LIST,
    "set": NESTING.SET,
    "map": NESTING.MAP,
    "group": NESTING.GROUP,
}
OBJECTS = {
    "single": pb.Schema.Object.SINGLE,
    "list": pb.Schema.Object.LIST,
    "set": pb.Schema.Object.SET,
    "map": pb.Schema.Object.MAP,
}
FLAGS = ("required", "optional", "computed", "sensitive", "write_only")


def attribute(name, of):
    """An attribute of a block or of a nested object."""
    known = {field.name for field in pb.Schema.Attribute.DESCRIPTOR.fields}
    made = pb.Schema.Attribute(name=name, **{flag: of[flag] for flag in FLAGS if flag in of and flag in known})
    if "nested_type" in of:
        nested = of["nested_type"]
        made.nested_type.nesting = OBJECTS[nested["nesting_mode"]]
        made.nested_type.attributes.extend(attribute(*pair) for pair in nested["attributes"].items())
    else:
        made.type = json.dumps(of["type"]).encode()
    return made


def block(of):
    """A block with all that is in it."""
    made = pb.Schema.Block(attributes=[attribute(*pair) for pair in of.get("attributes", {}).items()])
    for name, inner in of.get("block_types", {}).items():
        made.block_types.append(
            NESTING(
                type_name=name,
                block=block(inner["block"]),
                nesting=BLOCKS[inner["nesting_mode"]],
                min_items=inner.get("min_items", 0),
                max_items=inner.get("max_items", 0),
            )
        )
    return made


def schemas(of):
    """Schemas by the name of what they are for."""
    return {name: pb.Schema(version=schema["version"], block=block(schema["block"])) for name, schema in of.items()}


class Provider(rpc.ProviderServicer):
    """Answers what Terraform asks before it does anything; whatever else it asks is an error."""

    def __init__(self, path):
        known = json.loads(Path(path).read_text())
        self.schema = pb.GetProviderSchema.Response(
            provider=pb.Schema(version=0, block=block(known["provider"]["block"])),
            resource_schemas=schemas(known["resource_schemas"]),
            data_source_schemas=schemas(known["data_source_schemas"]),
        )

    def GetProviderSchema(self, request, context):
        return self.schema

    def ValidateProviderConfig(self, request, context):
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        return pb.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request, context):
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request, context):
        return pb.ConfigureProvider.Response()

    def StopProvider(self, request, context):
        return pb.StopProvider.Response()


def main():
    """Serve on a socket of its own."""
    big = 64 << 20
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4),
        options=[("grpc.max_send_message_length", big), ("grpc.max_receive_message_length", big)],
    )
    rpc.add_ProviderServicer_to_server(Provider(Path(__file__).with_name("aws-schema.json")), server)
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/provider"
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        where = {"Network": "unix", "String": socket}
        how = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": where}
        print(json.dumps({"registry.terraform.io/hashicorp/aws": how}), flush=True)
        sys.stdin.read()
        server.stop(grace=None)


main()
