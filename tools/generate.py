"""Write gen/ from proto/: the Python stubs and the OpenAPI document.

Run by `make gen`; with --check it only tells whether gen/ is what it would write.

The Protobuf package is `bodega.v1`; its Python package is `bodega_api.v1`,
because a Python package `bodega` beside the product's own would shadow it. So
the generated imports are rewritten here.
"""

import filecmp
import json
import re
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "gen" / "python" / "bodega_api"
PROTOS = sorted(
    (ROOT / "proto" / "bodega" / "v1").glob("*.proto"),
    # What most callers look for comes first in the OpenAPI document.
    key=lambda path: (path.stem != "inference", path.stem),
)
GENERATED_IMPORT = re.compile(r"^from bodega\.v1 import", re.MULTILINE)


def compile_protos(into: Path, descriptors: Path) -> None:
    """Run protoc over all of proto/bodega; raise SystemExit if it refuses."""
    status = protoc.main(
        [
            "protoc",
            f"-I{ROOT / 'proto'}",
            f"-I{ROOT / 'third_party' / 'googleapis'}",
            f"-I{resources.files('grpc_tools') / '_proto'}",
            f"--python_out={into}",
            f"--pyi_out={into}",
            f"--grpc_python_out={into}",
            f"--descriptor_set_out={descriptors}",
            "--include_imports",
            "--include_source_info",
            *map(str, PROTOS),
        ]
    )
    if status != 0:
        raise SystemExit(status)


def write_stubs(compiled: Path, out: Path) -> None:
    """Move the stubs to bodega_api/v1 and rewrite their imports."""
    shutil.rmtree(out, ignore_errors=True)
    package = out / "v1"
    package.mkdir(parents=True)
    for source in sorted(compiled.iterdir()):
        text = GENERATED_IMPORT.sub("from bodega_api.v1 import", source.read_text())
        (package / source.name).write_text(text)
    for folder, doc in ((out, "Generated from proto/."), (package, "Package bodega.v1.")):
        (folder / "__init__.py").write_text(f'"""{doc} Do not edit: run `make gen`."""\n')
        (folder / "py.typed").touch()


def write_openapi(descriptors: Path, out: Path) -> None:
    """Write the OpenAPI document that the gateway serves."""
    sys.path[:0] = [str(ROOT), str(ROOT / "gen" / "python")]
    from bodega.gateway.openapi import openapi_document

    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes())
    text = json.dumps(openapi_document(files), indent=1, ensure_ascii=False)
    (out / "v1" / "openapi.json").write_text(text + "\n")


def generate(out: Path) -> None:
    """Write the package bodega_api to a folder."""
    with tempfile.TemporaryDirectory() as folder:
        compiled, descriptors = Path(folder), Path(folder) / "descriptors.binpb"
        compile_protos(compiled, descriptors)
        write_stubs(compiled / "bodega" / "v1", out)
        write_openapi(descriptors, out)


def differing(left: Path, right: Path) -> list[str]:
    """Return the files that two folders do not have alike."""

    def files(folder: Path) -> set[Path]:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {path for path in found if "__pycache__" not in path.parts}

    both = files(left) & files(right)
    changed = {name for name in both if not filecmp.cmp(left / name, right / name, shallow=False)}
    return sorted(map(str, (files(left) ^ files(right)) | changed))


def main() -> None:
    """Write everything under gen/, or check it."""
    if sys.argv[1:] != ["--check"]:
        generate(OUT)
        return
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "bodega_api"
        generate(fresh)
        if stale := differing(fresh, OUT):
            raise SystemExit(f"gen/ is not what proto/ makes: run `make gen`. {', '.join(stale)}")


if __name__ == "__main__":
    main()
