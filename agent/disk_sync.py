"""Everything that was written to a disk made sure of at once: for thousands of files, far cheaper than one by one."""

import ctypes
import os
from pathlib import Path


def sync_disk(folder: Path) -> None:
    """Blocks until what was written to the folder's file system survives a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)
