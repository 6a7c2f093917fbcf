"""R2 over S3: one client configuration, streaming upload, listing, conditional writes."""
