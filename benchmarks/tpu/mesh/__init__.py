"""Training steps on meshes of TPUs: compiled ahead of time, and never executed."""
