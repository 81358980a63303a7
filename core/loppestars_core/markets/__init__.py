"""Markets: how they are searched (`query`) and how words are folded for it (`folding`)."""
