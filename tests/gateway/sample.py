"""The sample contract: compiled when first imported, served by a core that echoes."""

import tempfile
from importlib import resources
from pathlib import Path

import bodega_api.v1.dialect_pb2  # noqa: F401  the options must be known first
import google.api.annotations_pb2  # noqa: F401
from google.protobuf.descriptor import Descriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import Default
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]


def _compiled() -> FileDescriptorSet:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "sample.binpb"
        status = protoc.main(
            [
                "protoc",
                f"-I{Path(__file__).parent}",
                f"-I{ROOT / 'proto'}",
                f"-I{ROOT / 'third_party' / 'googleapis'}",
                f"-I{resources.files('grpc_tools') / '_proto'}",
                f"--descriptor_set_out={out}",
                "--include_imports",
                "--include_source_info",
                "sample.proto",
            ]
        )
        assert status == 0
        return FileDescriptorSet.FromString(out.read_bytes())


FILES = _compiled()
_FILE = FILES.file[-1]
Default().AddSerializedFile(_FILE.SerializeToString())

SAMPLE: Descriptor = Default().FindMessageTypeByName("bodega.test.v1.Sample")
VALUE: Descriptor = Default().FindMessageTypeByName("bodega.test.v1.Value")
ECHO: ServiceDescriptor = Default().FindServiceByName("bodega.test.v1.Echo")
