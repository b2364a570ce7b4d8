"""`coord demo index`: a search index built by a cluster while its machines are being killed."""
