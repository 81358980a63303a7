"""Markets: how they are searched (`query`), recorded (`recording`, `vanishing`) and corrected (`correcting`)."""
