"""The HTTP API: one module for each resource. They parse, call and render, and do nothing else."""
