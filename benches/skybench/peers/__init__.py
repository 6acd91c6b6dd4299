"""One system a file; each names its class PEER."""
