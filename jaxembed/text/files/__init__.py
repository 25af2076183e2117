"""Files: labelled texts of a user, from a folder or a table."""
