"""Every error ionscreen raises on purpose.

IonscreenError
├── InvalidInput(ValueError)      what the user gave is wrong: one sentence, the field or file, the cure; exit code 2
├── DatasetError(OSError)         a dataset file is damaged, foreign or newer than this program
├── CheckpointError(OSError)      the same for a surrogate's checkpoint
└── CampaignError(RuntimeError)   a campaign cannot go on; what is computed stays, the sentence says how to resume
"""

from __future__ import annotations

__all__ = ["CampaignError", "CheckpointError", "DatasetError", "InvalidInput", "IonscreenError"]


class IonscreenError(Exception):
    """Base class: its text is one sentence for the person at the terminal."""


class InvalidInput(IonscreenError, ValueError):
    """The input is wrong; the text names the field or file and the cure."""


class DatasetError(IonscreenError, OSError):
    """A dataset file is damaged, foreign, or of a newer format."""


class CheckpointError(IonscreenError, OSError):
    """A checkpoint is damaged, foreign, or of a newer format."""


class CampaignError(IonscreenError, RuntimeError):
    """The campaign cannot continue; nothing computed is lost."""
