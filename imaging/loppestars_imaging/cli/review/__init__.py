"""`blur --review`: a page in the browser on which a person checks the covers before anything is written."""
