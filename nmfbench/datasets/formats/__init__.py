"""Readers of files, one kind a module: bytes in, `held.Arrays` or `held.Table` out."""
