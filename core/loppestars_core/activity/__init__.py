"""What visitors do in the app, as the app reports it, and what operators report of crawls by hand."""
