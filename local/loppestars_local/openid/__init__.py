"""An OpenID Connect provider of this machine: it stands in for Google and Facebook, and asks nobody for a password."""
