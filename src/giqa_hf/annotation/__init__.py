"""The annotation pipeline of GIQA-160K (paper Sec. 3.2): from photos with descriptions to grounded rows."""
