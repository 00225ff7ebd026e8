"""The command line: one module a verb, registered in `rotator.cli.main`. Imports of weight stand inside the verbs."""
