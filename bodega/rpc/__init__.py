"""The gRPC face of the core: servicers that translate between the contract and the services."""
