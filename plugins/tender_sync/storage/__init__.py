"""Every read and write of MongoDB."""
