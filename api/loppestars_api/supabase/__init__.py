"""The dialect of Supabase that the released app speaks: an adapter that parses, translates and answers.

It owns no rule of the domain and no table; what may be asked is a declared list (`rest.resources`).
"""
