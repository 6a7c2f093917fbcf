"""pgkeel's logic: plain typed Python, no Ansible import, no print, no global state."""
