"""The built-in painter: words and pictures to pixels. Procedural; not a generative model."""
