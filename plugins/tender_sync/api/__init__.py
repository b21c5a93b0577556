"""One page of one source over HTTP: its retries, its decoding, its pace."""
