"""Exchange: rows and gradients of rows, sent between the devices of a mesh."""
