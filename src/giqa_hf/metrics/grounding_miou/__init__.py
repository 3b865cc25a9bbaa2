"""Category-agnostic mean IoU of boxes."""
