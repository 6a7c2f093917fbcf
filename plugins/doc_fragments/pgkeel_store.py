"""The options that every module of the object store shares, and those of retention and of visible progress."""


class ModuleDocFragment:
    """``backup/options.py`` holds the argument specs."""

    DOCUMENTATION = r"""
options:
  database:
    description: The database whose backups they are.
    type: str
    required: true
  server_name:
    description: Name of the server within the bucket; backup and drill must agree on it.
    type: str
    required: true
  prefix:
    description: Folder in the bucket.
    type: str
    default: pgkeel
  endpoint:
    description: URL of the store, without the bucket.
    type: str
    required: true
  bucket:
    description: Name of the bucket; it exists already.
    type: str
    required: true
  region:
    description: Region; R2 knows V(auto) only.
    type: str
    default: auto
  access_key:
    description: Access key of the store.
    type: str
    required: true
  secret_key:
    description: Its secret.
    type: str
    required: true
  ca_file:
    description: PEM file on the server with the authority of the store's certificate; empty for the system's.
    type: str
    default: ''
  signing_key:
    description:
      - Ed25519 key, 32 bytes in base64, that manifests and the records of drills are signed with.
      - Where nothing is to be signed, O(verify_keys) suffices; a drill then keeps no record.
    type: str
    default: ''
  verify_keys:
    description: Further public keys that manifests may be signed with, such as that of an older signing key.
    type: list
    elements: str
    default: []
  bin_dir:
    description: Folder of PostgreSQL's programs; a module that runs none accepts it for likeness.
    type: path
    default: /usr/lib/postgresql/17/bin
requirements:
  - boto3 >= 1.35
  - cryptography >= 42
"""

    RETENTION = r"""
options:
  keep_days:
    description: Younger backups are kept, each of them.
    type: int
    default: 30
  keep_weekly:
    description: The newest of each of the last so many weeks is kept longer.
    type: int
    default: 0
  keep_monthly:
    description: The newest of each of the last so many months is kept longer.
    type: int
    default: 0
  keep_at_least:
    description: So many of the newest are kept whatever their age.
    type: int
    default: 3
  remove_at_most:
    description: So many are removed in one run; 0 to remove none.
    type: int
    default: 10
"""

    PROGRESS = r"""
options:
  progress_seconds:
    description: So often the run says how far it is; 0 for never. The action plugin of the same name prints the lines.
    type: int
    default: 0
  progress_file:
    description: File on the server that the run rewrites every second with one line; the action plugin names it.
    type: str
    default: ''
"""
