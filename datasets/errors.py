"""Every error ionscreen raises on purpose.

IonscreenError
├── InvalidInput(ValueError)      what the user gave is wrong: one sentence, the field or file, the cure; exit code 2
├── DatasetError(OSError)         a dataset file is damaged, foreign or newer than this program
│   └── NewerFormat               the last of these: nothing is wrong with the file
├── CheckpointError(OSError)      the same for a surrogate's checkpoint
├── DeviceError(RuntimeError)     a GPU or IPU is absent, or cannot run what it was given
└── CampaignError(RuntimeError)   a campaign cannot go on; what is computed stays, the sentence says how to resume
"""

from __future__ import annotations

__all__ = [
    "CampaignError",
    "CheckpointError",
    "DatasetError",
    "DeviceError",
    "InvalidInput",
    "IonscreenError",
    "NewerFormat",
]


class IonscreenError(Exception):
    """Base class: its text is one sentence for the person at the terminal."""


class InvalidInput(IonscreenError, ValueError):
    """The input is wrong; the text names the field or file and the cure."""


class DatasetError(IonscreenError, OSError):
    """A dataset file is damaged, foreign, or of a newer format."""


class NewerFormat(DatasetError):
    """The file is of a format that only a newer ionscreen knows; it must be left as it is."""


class CheckpointError(IonscreenError, OSError):
    """A checkpoint is damaged, foreign, or of a newer format."""


class DeviceError(IonscreenError, RuntimeError):
    """A device is absent, or cannot run what it was given; the text says what to change."""


class CampaignError(IonscreenError, RuntimeError):
    """The campaign cannot continue; nothing computed is lost."""
