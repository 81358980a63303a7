"""What `loppestars-imaging` does for people with photos in folders: no queue, no database."""
