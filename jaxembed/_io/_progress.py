"""Progress: a bar on stderr."""

from tqdm import tqdm


def progress_bar(
    total: int, *, progress: bool | None, initial: int = 0, unit: str = "it"
) -> tqdm:
    """Return a progress bar on stderr.

    Args:
      total: total number of units.
      progress: whether to show the bar; None to show it only in a terminal.
      initial: number of units already done.
      unit: name of one unit.

    Returns:
      A ``tqdm`` bar, which is also a context manager.
    """
    disable = None if progress is None else not progress  # None: terminal only
    return tqdm(total=total, initial=initial, disable=disable, unit=unit)
