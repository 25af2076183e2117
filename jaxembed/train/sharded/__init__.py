"""Training with the rows of tables spread over the devices of a mesh."""
