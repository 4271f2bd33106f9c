"""What every block of the configuration has in common: unknown fields are refused, nothing can be changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["Block", "Line", "PathText", "Positive", "Word"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# Both end up in job scripts: a word stands alone there, a line must not begin another one.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@+-]{0,127}$")]
Line = Annotated[str, Field(pattern=r"^[^\r\n\x00]{1,1000}$")]


def _possible(path: str) -> str:
    # The longest name that the usual file systems take; they refuse a longer one, or a null byte, with an exception.
    if "\0" in path or any(len(name.encode("utf-8", "surrogatepass")) > 255 for name in path.split("/")):
        raise ValueError("no file can have this name; it holds a null byte or over 255 bytes between two slashes")
    return path


PathText = Annotated[str, AfterValidator(_possible)]


class Block(BaseModel):
    """A block of ``field: value`` lines."""

    model_config = ConfigDict(extra="forbid", frozen=True)
