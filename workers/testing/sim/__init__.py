"""The job framework on whole simulated clusters: workers, stewards, programs, and their judge."""
