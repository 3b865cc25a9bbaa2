"""giqa_hf: image quality with words and boxes."""
