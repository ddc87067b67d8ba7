"""From a command line to records: compose, plan, launch, measure."""
