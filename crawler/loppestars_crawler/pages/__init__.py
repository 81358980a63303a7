"""Page objects: a page in, what it says out. No crawling, no database, no clock. One module a site."""
