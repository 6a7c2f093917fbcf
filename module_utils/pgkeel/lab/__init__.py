"""The lab: a real Debian server in a network namespace, and an S3 store."""
