"""What a manifest says, and the limits of what it may say."""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from seqdistill.artifacts.documents import MAX_DOCUMENT_BYTES, digest_of, parse_json
from seqdistill.artifacts.plain import PLAIN_NAME
from seqdistill.errors import SeqDistillError, one_line
from seqdistill.json_values import Json

MANIFEST = "manifest.json"
DIGEST = "manifest_sha256"

MAX_FILES = 64
MAX_TOTAL_BYTES = 1 << 40
"""Of all files together: a prepared log of 60 billion events."""
MAX_RANK = 8
MAX_EXTENT = 1 << 40
"""Of one axis of a tensor."""
MAX_NAME = 512

Dtype = Literal["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Extent = Annotated[int, Field(ge=0, le=MAX_EXTENT)]
FileName = Annotated[str, Field(pattern=PLAIN_NAME)]
Count = Annotated[int, Field(ge=0, le=1 << 53)]


class Strict(BaseModel):
    """Nothing is converted silently, and what is unknown is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TensorEntry(Strict):
    """Element type and shape of a tensor."""

    dtype: Dtype
    shape: Annotated[list[Extent], Field(max_length=MAX_RANK)]


class FileEntry(Strict):
    """What a manifest says about a file.

    Attributes:
        bytes: its size.
        sha256: its digest.
        tensors: of a safetensors file, what is in it. Manifests of format 1 do not say it.
    """

    bytes: Annotated[int, Field(ge=0, le=MAX_TOTAL_BYTES)]
    sha256: Digest
    tensors: dict[Annotated[str, Field(min_length=1, max_length=MAX_NAME)], TensorEntry] | None = None


class Manifest(Strict):
    """What every kind of artifact says; each kind adds its own.

    Attributes:
        format: `seqdistill/` and the kind.
        format_version: counts the formats of this kind.
        versions: name -> version of the programs that wrote it.
        files: name -> what it must be.
    """

    format: Annotated[str, Field(pattern=r"^seqdistill/[a-z]{1,32}$")]
    format_version: Annotated[int, Field(ge=1, le=1_000_000)]
    versions: dict[str, str] = {}
    files: Annotated[dict[FileName, FileEntry], Field(max_length=MAX_FILES)]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if MANIFEST in self.files:
            raise ValueError("a manifest cannot vouch for itself")
        if (total := sum(entry.bytes for entry in self.files.values())) > MAX_TOTAL_BYTES:
            raise ValueError(f"its files have {total:,} bytes together, more than {MAX_TOTAL_BYTES:,}")
        return self


class AnyManifest(Manifest):
    """A manifest of which only the common part matters."""

    model_config = ConfigDict(extra="allow")


class DatasetName(BaseModel):
    """The log that something was made of; more than its name is nobody's concern here."""

    model_config = ConfigDict(extra="allow", strict=True)

    name: str


class Details(BaseModel):
    """How something came about: what is told again must be there, anything else may be."""

    model_config = ConfigDict(extra="allow", strict=True)

    dataset: DatasetName | None = None
    trained_on: str | None = None


M = TypeVar("M", bound=BaseModel)


def validated(schema: type[M], content: object, file: Path) -> M:
    """Content of a manifest as its kind has it.

    Raises:
        SeqDistillError: naming the first entry that cannot be.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = one_line(".".join(str(part) for part in first["loc"]))
        message = one_line(first["msg"].removeprefix("Value error, "))
        raise SeqDistillError(f"{file} is not valid ({where + ': ' if where else ''}{message}); restore it") from error


def seal(body: Json) -> Json:
    """The manifest with its own digest at the end."""
    return {**body, DIGEST: digest_of(body)}


def parse_manifest(data: bytes, file: Path, kind: str) -> Json:
    """A manifest without its digest, which is right, of the kind asked for, and in its common part as it must be.

    Raises:
        SeqDistillError: if it is damaged, was altered, or is of another kind.
    """
    content = parse_json(data, file)
    if not isinstance(content, dict) or DIGEST not in content:
        raise SeqDistillError(f"{file} is not a valid manifest; restore it")
    manifest = cast("Json", content)
    found = manifest.pop(DIGEST)
    try:
        intact = found == digest_of(manifest)
    except UnicodeEncodeError:
        intact = False
    if not intact:
        raise SeqDistillError(f"{file} does not match its own SHA-256: corrupt or altered; restore it")
    written_kind = validated(AnyManifest, manifest, file).format
    if written_kind != f"seqdistill/{kind}":
        raise SeqDistillError(f"{file.parent} is a {written_kind}, not a {kind}")
    return manifest


def check_size(size: int, file: Path) -> None:
    """Make sure that a manifest that is to be written can be read again.

    Raises:
        SeqDistillError: if it is too long.
    """
    if size > MAX_DOCUMENT_BYTES:
        raise SeqDistillError(
            f"{file} would take {size:,} bytes, and at most {MAX_DOCUMENT_BYTES:,} are read; the model has too many"
            " tensors: fuse some, or keep fewer of its epochs (teacher.keep_epochs)"
        )
