"""The database: tables, and one file of queries per noun."""
