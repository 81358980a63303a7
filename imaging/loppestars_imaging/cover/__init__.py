"""Covers faces: `pixels` in decoded pixels, `blocks` in the DCT blocks of a JPEG."""
