"""The arena: every method on every dataset under one protocol that looks at no label, and the ranking that follows."""
