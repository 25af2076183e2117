"""Examples: jaxembed's functions in a program of one's own, in 20 to 40 lines each.

Each is run as ``python -m examples.NAME``, uses public names only, and makes its data.
"""
