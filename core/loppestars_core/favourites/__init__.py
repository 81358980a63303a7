"""Markets that a visitor keeps an eye on."""
