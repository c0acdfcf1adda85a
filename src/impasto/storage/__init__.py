"""Nothing else keeps files or speaks SQL."""
