"""`kubectl loppestars`: what people do with a stack each day."""
