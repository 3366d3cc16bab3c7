"""A drill's report for people: a table, a picture, a page. Pure: a report in, text out."""
