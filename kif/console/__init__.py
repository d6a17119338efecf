"""What a person sees: the terminal's questions, tables and progress, and the report page."""
