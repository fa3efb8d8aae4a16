"""Models as files and processes of this machine."""
