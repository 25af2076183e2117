"""IMDB by TensorFlow Datasets: download, verify, prepare and read the reviews.

TensorFlow itself is not needed.
"""

import hashlib
import http.client
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from jaxembed import _io
from jaxembed.text.imdb._archive import ORIGINAL, Archive, Parts

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

# A short limit to detect a missing network, a long one to allow a slow download.
CONNECT_SECONDS = 5
READ_SECONDS = 60


def read_tfds(
    data_dir: str | Path | None = None,
    *,
    manual_dir: str | Path | None = None,
    archive: Archive = ORIGINAL,
) -> Parts:
    """Prepare the reviews of ``archive`` once as ArrayRecord files, and read them.

    Args:
      data_dir: directory of the prepared files; by default ``$TFDS_DATA_DIR``, or
        ``~/tensorflow_datasets`` if the variable is unset.
      manual_dir: directory of the archive, which is downloaded there if missing; by
        default ``downloads/manual`` in ``data_dir``.
      archive: archive to prepare, with its expected size and hash.

    Returns:
      The texts of each (split, label), sorted by file name.

    Raises:
      ConnectionError: if the archive is not in ``manual_dir`` and cannot be downloaded.
        The message names ``manual_dir``. The host is tried once, for five seconds.
      ValueError: if the archive has another size or hash than expected, or
        :func:`read_archive` refuses its content.
    """
    import tensorflow_datasets as tfds

    from jaxembed.text.imdb._tfds_builder import ImdbTexts, TextsConfig

    place = Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
    manual = Path(manual_dir or place / "downloads" / "manual").expanduser()
    config = TextsConfig(name=archive.sha256[:12], archive=archive)
    builder = ImdbTexts(data_dir=place, config=config, file_format="array_record")
    if not builder.is_prepared():
        if not (manual / archive.name).exists():
            _fetch(archive, manual)
        _prepare(builder, manual, archive)
    return _read_parts(builder)


def _fetch(archive: Archive, manual: Path) -> None:
    """Download the archive into ``manual`` atomically.

    TFDS itself would retry ten times, for minutes, and leave unfinished files.
    """
    request = urllib.request.Request(archive.url, method="HEAD")
    manual.mkdir(parents=True, exist_ok=True)
    try:
        urllib.request.urlopen(request, timeout=CONNECT_SECONDS).close()
        with (
            urllib.request.urlopen(archive.url, timeout=READ_SECONDS) as response,
            _io.replace(manual / archive.name, n_bytes=archive.size) as temporary,
        ):
            found = _copy(response, temporary, archive)
            if found != (archive.size, archive.sha256):
                raise ValueError(_mismatch(archive, found))
    except (OSError, http.client.HTTPException) as error:
        if _io.is_full(error):
            raise
        raise ConnectionError(
            f"{archive.url} cannot be downloaded: {error}. Download {archive.name} "
            f"({archive.size} bytes) on another machine and put it into {manual}, "
            "or give the path of another copy of the reviews."
        ) from error


def _copy(
    response: http.client.HTTPResponse, path: Path, archive: Archive
) -> tuple[int, str]:
    """Write the response to ``path`` and return the number of bytes and their hash.

    Stop soon after the expected size is exceeded.
    """
    size, digest = 0, hashlib.sha256()
    bar = tqdm(total=archive.size, unit="B", unit_scale=True, disable=None)
    with path.open("wb") as file, bar:
        while size <= archive.size and (data := response.read(1 << 18)):
            file.write(data)
            digest.update(data)
            size += len(data)
            bar.update(len(data))
    return size, digest.hexdigest()


def _mismatch(archive: Archive, found: object) -> str:
    return (
        f"{archive.name} must have {archive.size} bytes and SHA-256 {archive.sha256}: "
        "download it again, or give its path as the source if you trust it. Found: "
        f"{found}"
    )


def _prepare(
    builder: "tfds.core.DatasetBuilder", manual: Path, archive: Archive
) -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import download_manager

    settings = tfds.download.DownloadConfig(
        try_download_gcs=False, manual_dir=manual, force_checksums_validation=True
    )
    try:
        builder.download_and_prepare(download_config=settings)
    except download_manager.NonMatchingChecksumError as error:
        raise ValueError(_mismatch(archive, error)) from error


def _read_parts(builder: "tfds.core.DatasetBuilder") -> Parts:
    parts: Parts = {}
    names = builder.info.features["label"].names
    for split in builder.info.splits:
        source = builder.as_data_source(split=split)
        for row in source.__getitems__(list(range(len(source)))):
            text, label = row["text"], int(row["label"])
            # TFDS's mock data source returns str, the real one bytes.
            text = text.decode("utf-8") if isinstance(text, bytes) else text
            part = ("train", "unsup") if label < 0 else (split, names[label])
            parts.setdefault(part, []).append(text)
    return parts
