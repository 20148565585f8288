"""The small tree of errors a person may see. Each message is one sentence that says what to do.

Anything that is not a `StudioError` is a bug: the UI and the CLI show it as one.
"""

import errno


class StudioError(Exception):
    """Base of all errors that are shown as they stand."""


class BadInput(StudioError):
    """The request, file or option cannot be taken as it is."""


class NotFound(StudioError):
    """No such model, engine, template, job or asset; the message lists the valid names if few."""


class Refused(StudioError):
    """A guard said no; the message gives a reason that a person can act on."""


class ModelMissing(StudioError):
    """Weights or an optional package are not here; the message names the command that gets them."""


class ToolMissing(ModelMissing):
    """A program that fetches weights is not installed on this machine; the message names it."""


class ModelBroken(StudioError):
    """Weights are here but truncated, swapped, of another type or not safe to load."""


class OutOfMemory(StudioError):
    """The device has no room; the message says what to lower."""


class SealFailed(StudioError):
    """The file could not be sealed and read back, therefore nothing was saved."""


class StorageFull(StudioError):
    """The disk is full; nothing half-written was left."""


class Cancelled(StudioError):
    """The job was stopped at a person's wish."""


class WorkerLost(StudioError):
    """The process that ran the model died; the studio itself stays up."""


def is_disk_full(error: BaseException) -> bool:
    """Whether the system refused a write for want of room. (Safetensors says so in words only.)"""
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
