"""From records to tables and figures. Nothing here runs, and nothing here reads data."""
