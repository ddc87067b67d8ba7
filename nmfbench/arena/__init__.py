"""The arena runs every method on every dataset under one protocol that uses no labels, and ranks the methods."""
