"""One typed model of a schema, a reader for each side, one comparison: the schema audit."""
