"""One page of one source over HTTP: attempts, pace, decoding."""
