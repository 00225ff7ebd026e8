"""What source `files` is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from rotator.settings import NamedFile, PluginSettings


class FilesSettings(PluginSettings):
    """Which files to look at; `files: ["/etc/ssl/services/*.crt"]` is short for `files: {paths: […]}`."""

    folders: tuple[str, ...] = Field(
        default=(),
        description="Absolute paths of folders to search, with all below them, for whatever holds a certificate by "
        "its content.",
    )
    paths: tuple[str, ...] = Field(
        default=(),
        validate_default=True,
        description="Absolute paths or patterns: * and ? within a name, ** for any number of folders. "
        "What matches and holds no certificate is told. A path that is a folder is taken as one of `folders`.",
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        description="Patterns of what to leave out, files or whole folders: of absolute paths, or, without a /, of "
        "names; * stands for any text, also with / in it.",
    )
    passwords_file: NamedFile | None = Field(
        default=None,
        description="A file with passwords for keystores, one a line; tried after none and the empty one. Never shown.",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, given: Any) -> Any:
        return {"paths": given} if isinstance(given, list | tuple) else given

    @field_validator("paths")
    @classmethod
    def _something(cls, paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not paths and info.data.get("folders") == ():
            raise ValueError("there is nothing to look at; give `paths` or `folders`")
        return paths

    @field_validator("paths", "folders")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not Path(path).is_absolute():
                raise ValueError(f"{path!r} is no absolute path; begin it with /")
        return paths

    @field_validator("passwords_file")
    @classmethod
    def _absolute_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_absolute():
            raise ValueError(f"'{path}' is no absolute path; begin it with /")
        return path
