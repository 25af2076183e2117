"""Compilation cache: compiled programs on disk, which later processes load."""

import os
from pathlib import Path

import jax


def use_compilation_cache(folder: str | Path | None = None) -> Path:
    """Store compiled programs in a folder, from which later processes load them.

    The folder is JAX's persistent compilation cache. A folder that the user has set,
    such as by ``JAX_COMPILATION_CACHE_DIR``, stays in use. A program is loaded only if
    its code, the versions of JAX and XLA, and the kind of device are equal, so the
    results have the same bits. Call this before the first computation of a process.

    Args:
      folder: folder of the cache, which is created. By default ``jaxembed/compiled`` in
        ``$XDG_CACHE_HOME``, or in ``~/.cache`` if that is not set.

    Returns:
      The folder in use.

    Raises:
      OSError: if the folder cannot be created.

    Example:
      >>> import tempfile
      >>> use_compilation_cache(tempfile.mkdtemp()).is_dir()
      True
    """
    in_use = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if in_use:
        return Path(in_use)
    if folder is None:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home, "jaxembed", "compiled")
    path = Path(folder).absolute()
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    # Small programs are stored too: the epoch of the notebook compiles in 0.3 s.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    return path
