"""What a run of site.yml would change, or has changed, as one document."""
