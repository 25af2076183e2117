"""Input and output: files replaced whole, caches, tensors, hashes, progress bars."""

from jaxembed._io._cache import make_cache as make_cache
from jaxembed._io._cache import write_cache as write_cache
from jaxembed._io._disk import check_regular as check_regular
from jaxembed._io._disk import explain_disk as explain_disk
from jaxembed._io._disk import is_full as is_full
from jaxembed._io._disk import sync as sync
from jaxembed._io._folders import check_free as check_free
from jaxembed._io._folders import replace_folder as replace_folder
from jaxembed._io._hash import hash_arrays as hash_arrays
from jaxembed._io._installed import find_installed as find_installed
from jaxembed._io._progress import progress_bar as progress_bar
from jaxembed._io._replace import check_writable as check_writable
from jaxembed._io._replace import replace as replace
from jaxembed._io._temporary import remove_abandoned as remove_abandoned
from jaxembed._io._temporary import temporary as temporary
from jaxembed._io._tensors import Header as Header
from jaxembed._io._tensors import read_header as read_header
from jaxembed._io._tensors import write_tensors as write_tensors
from jaxembed._io._unpack import DAMAGES as DAMAGES
from jaxembed._io._unpack import Unpacker as Unpacker
from jaxembed._io._unpack import check_expansion as check_expansion
from jaxembed._io._unpack import find_compression as find_compression
