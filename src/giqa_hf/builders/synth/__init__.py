"""giqa-synth: photographs with synthetically spoiled objects, described by construction."""
