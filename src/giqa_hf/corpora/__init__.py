"""Readers of photos with descriptions: public corpora and tables of one's own."""
