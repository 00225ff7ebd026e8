"""What an operator writes under `files` in a target."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rotator.settings import Duration, KeyUse, PluginSettings

LONGEST_RELOAD = timedelta(minutes=10)


class LayoutKind(StrEnum):
    """How certificate and key lie on the disk."""

    SEPARATE = "separate"
    COMBINED = "combined"
    GENERATIONS = "generations"


def _absolute(path: str) -> str:
    if not Path(path).is_absolute():
        raise ValueError(f"{path!r} is no absolute path; begin it with /")
    return path


def _octal(mode: Any) -> str:
    # In YAML 1.2 0644 is the number six hundred and forty-four; only a text says what was meant.
    if not isinstance(mode, str) or not mode or set(mode) - set("01234567") or int(mode, 8) > 0o777:
        raise ValueError('write the mode as a text of octal digits, such as "0640"')
    return mode


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
FileMode = Annotated[str, BeforeValidator(_octal)]

_PLACES = {
    LayoutKind.SEPARATE: ("certificate", "key"),
    LayoutKind.COMBINED: ("path",),
    LayoutKind.GENERATIONS: ("directory",),
}


class FilesSettings(PluginSettings):
    """Where the files are, how they are to be made, and how whoever serves them is told.

    The layout follows from what is given: `certificate` and `key`, or `path`, or `directory`.
    """

    layout: LayoutKind = Field(
        default=LayoutKind.SEPARATE,
        description="separate: certificate and key in two files; combined: both in one; generations: a new folder each "
        "time, with a link `current` that is switched at once.",
    )
    certificate: AbsolutePath = Field(default="", description="The file of the chain, leaf first (separate).")
    key: AbsolutePath = Field(
        default="", description="The file of the private key; left out where the key is held elsewhere (separate)."
    )
    chain: AbsolutePath = Field(
        default="", description="A file for the intermediates; `certificate` then holds the leaf alone (separate)."
    )
    path: AbsolutePath = Field(default="", description="The file of chain and key (combined).")
    key_first: bool = Field(default=False, description="Whether the key comes before the chain (combined).")
    directory: AbsolutePath = Field(
        default="", description="The folder of generations: serve current/fullchain.pem and current/privkey.pem."
    )
    mode: FileMode = Field(default="0644", description="The mode of a new certificate file; an existing one keeps its.")
    key_mode: FileMode = Field(default="0600", description="The mode of a new file with a key in it.")
    owner: str = Field(default="", description="Owner of new files: `user`, `user:group` or `:group`.")
    reload: tuple[str, ...] = Field(
        default=(), description="The command that has the files read again, as a list; no shell is involved."
    )
    reload_seconds: Duration = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        le=LONGEST_RELOAD,
        description="How long it may take.",
    )
    touch: AbsolutePath = Field(default="", description="A file to touch instead, for servers that watch one.")
    settle: Duration = Field(
        default=timedelta(seconds=10),
        ge=timedelta(0),
        description="How long after that the new one may take to be served.",
    )

    @model_validator(mode="before")
    @classmethod
    def _infer_layout(cls, given: Any) -> Any:
        if isinstance(given, dict) and "layout" not in given:
            for layout, names in _PLACES.items():
                if given.get(names[0]):
                    return {**given, "layout": layout}
        return given

    @model_validator(mode="after")
    def _is_complete(self) -> FilesSettings:
        for name in _PLACES[self.layout]:
            if not getattr(self, name) and name != "key":  # without one it holds the chain of a key held elsewhere
                raise ValueError(f"the layout {self.layout} needs `{name}`")
        for layout, names in _PLACES.items():
            for name in (*names, *(("chain",) if layout is LayoutKind.SEPARATE else ())):
                if layout is not self.layout and getattr(self, name):
                    raise ValueError(f"`{name}` belongs to the layout {layout}, not to {self.layout}")
        return self

    @model_validator(mode="after")
    def _is_told_once(self) -> FilesSettings:
        if self.reload and self.touch:
            raise ValueError("give either `reload` or `touch`")
        return self

    @property
    def key_use(self) -> KeyUse:
        return KeyUse.NEVER if self.layout is LayoutKind.SEPARATE and not self.key else KeyUse.NEEDED

    @property
    def file_mode(self) -> int:
        return int(self.mode, 8)

    @property
    def key_file_mode(self) -> int:
        return int(self.key_mode, 8)
