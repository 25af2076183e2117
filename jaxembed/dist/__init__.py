"""Tables whose rows are spread over the devices of a mesh, and runs on many hosts."""

from jaxembed.dist._initialize import initialize as initialize
