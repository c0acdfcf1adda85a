"""A provider to test against: speaks Google's Gemini API, strictly, and misbehaves on demand."""
