"""Folders of tensors and tables that can be trusted: plain files and a `manifest.json` that vouches for them.

A folder is written under a temporary name and put in its place when complete, so a folder under its final name is
whole. The manifest names a SHA-256 for every file and one for itself. Reading trusts nothing: what a file claims about
itself is bounded and compared with what the manifest and the kind of artifact say before memory is given to it, and
the bytes that are used are the bytes that were hashed. No pickle in any file. `docs/artifacts.md` has the formats.
"""

from seqdistill.artifacts.documents import MAX_DOCUMENT_BYTES, parse_json, read_json, sealed, write_json
from seqdistill.artifacts.folders import check_writable
from seqdistill.artifacts.manifest import MANIFEST, Details, Manifest, Strict, validated
from seqdistill.artifacts.plain import file_sha256
from seqdistill.artifacts.reading import Artifact, open_artifact, read_artifact, read_manifest
from seqdistill.artifacts.writing import write_artifact

__all__ = [
    "MANIFEST",
    "MAX_DOCUMENT_BYTES",
    "Artifact",
    "Details",
    "Manifest",
    "Strict",
    "check_writable",
    "file_sha256",
    "open_artifact",
    "parse_json",
    "read_artifact",
    "read_json",
    "read_manifest",
    "sealed",
    "validated",
    "write_artifact",
    "write_json",
]
