"""What is behind `load_dataset("giqa-160k")`, `("giqa-bench")` and `("giqa-synth")`."""
