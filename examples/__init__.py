"""Examples: programs of 20 to 40 lines that use jaxembed's functions directly.

Each is run as ``python -m examples.NAME``, uses public names only, and makes its data.
"""
