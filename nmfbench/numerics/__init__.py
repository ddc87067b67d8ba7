"""The maths that several solvers share: pure functions on tensors, and the small nouns they are written in."""
