"""The commands of nmfbench but run and table: their words, and what each does."""
