"""Profile `classic`: annotation without any model, download or GPU, by words, measures and templates."""
