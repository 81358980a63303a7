"""Rows for clients that say themselves which columns, rows and related rows they want.

A question has no values in it (`asked`): it is translated (`statements`, `writing`) to SQL over the tables that are
offered (`offered`) once, and run (`plans`) with its values as parameters, which PostgreSQL reads as it reads text.
"""
